import base64
import json
import re
import zlib

import pytest

from attar.report.latent import latent


def payload(fragment: str) -> dict:
    packed = re.search(r'id="map-data">([A-Za-z0-9+/=]*)</script>', fragment)[1]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def _changed(facts, **update):
    first, *rest = facts.latent[:20]
    return facts.model_copy(update={"latent": (first.model_copy(update=update), *rest)})


def test_every_sample_arrives_with_what_is_shown_of_it(digits):
    data = payload(latent(digits))
    assert data["id"] == [p.id for p in digits.latent]
    assert [data["classes"][k] for k in data["class"]] == [p.predicted for p in digits.latent]
    assert data["thumbnail"] == [p.thumbnail for p in digits.latent]
    assert data["label"] == [p.label for p in digits.latent]


def test_both_axes_have_one_scale(digits):
    data = payload(latent(digits))
    x, y = [p.x for p in digits.latent], [p.y for p in digits.latent]
    ratio = (max(x) - min(x)) / (max(y) - min(y))
    assert max(max(data["x"]), max(data["y"])) == 10_000
    assert max(data["x"]) / max(data["y"]) == pytest.approx(ratio, rel=1e-3)


@pytest.mark.parametrize(
    ("drawn", "sent"),
    [
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("<svg></svg>", "<svg></svg>"),
        ("", ""),
        ('<img src="https://example.org/x.png">', ""),
        ("data:text/html,<script>alert(1)</script>", ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_thumbnails_are_images_or_nothing(digits, drawn, sent):
    assert payload(latent(_changed(digits, thumbnail=drawn)))["thumbnail"][0] == sent


def test_samples_on_one_spot_are_placed(digits):
    spot = tuple(p.model_copy(update={"x": 1.0, "y": 1.0}) for p in digits.latent[:5])
    assert payload(latent(digits.model_copy(update={"latent": spot})))["x"] == [0] * 5
