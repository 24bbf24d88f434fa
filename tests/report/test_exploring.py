"""The page of an exploration: what it holds, what it escapes, and how it is read back."""

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from attar.data.quality import Finding
from attar.report.atlas import sheets, size
from attar.report.explored import Colour, Explored, Line, Panel, Shown, Spectrum
from attar.report.exploring import render_explored
from attar.report.panels import sample
from tests.report.conftest import png
from tests.report.test_page import NASTY


def petals(n=600, pictures=True, seed=0):
    """A made-up exploration of small images in six groups."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 6, n)
    places = (np.stack([np.cos(group), np.sin(group)], 1) * 8 + rng.standard_normal((n, 2))).astype(np.float32)
    pixels = np.clip(40 * group[:, None, None] + rng.integers(0, 40, (n, 8, 8)), 0, 255).astype(np.uint8)
    order = np.argsort(places[:, 0], kind="stable")
    made = tuple(sheets(lambda rows: np.repeat(pixels[rows][..., None], 3, 3), order)) if pictures else ()
    shown = [Shown(png(pixels[i]), f"p = {i / n:.2g}", i) for i in range(min(24, n))]
    drawn = tuple(Shown(png(pixels[i])) for i in range(min(12, n)))
    return Explored(
        run="petals",
        source="petals/",
        kind="image" if pictures else "text",
        n=n,
        shape=(8, 8),
        verdict=f"{n:,} images of 8 × 8: 21 of 64 directions hold 90 % of their variance; look at: exact copies.",
        notes=("3 of 64 pixel values are the same in every image",),
        ids=np.array([f"train/{i:05d}.png" for i in range(n)]),
        layouts={"Neighbours": places, "Principal components": rng.standard_normal((n, 2)).astype(np.float32)},
        colours=(
            Colour("cluster", group.astype(np.float32), tuple(f"cluster {g + 1}" for g in range(6)), "of k-means"),
            Colour("density", np.where(rng.random(n) < 0.1, np.nan, places[:, 0]).astype(np.float32), (), "log p(z)"),
            Colour("label", np.where(rng.random(n) < 0.5, np.nan, group).astype(np.float32), tuple("abcdef"), "given"),
        ),
        sheets=made,
        cell=size(made[0]) if made else (0, 0),
        order=order,
        words=() if pictures else tuple(f"rose {i} of many" for i in range(n)),
        findings=(
            Finding("Exact copies", f"2 of {n} samples are exact copies of an earlier one.", False, ((0, 1), (2, 3))),
            Finding("Missing", "No value is missing.", True),
        ),
        drawn={one.index: one for one in shown},
        spectrum=Spectrum((0.5, 0.25, 0.125, 0.0625), 3.1, 2.2, 3, 64),
        panels=(
            Panel("The oddest samples", "Least like the others.", (Line("", tuple(shown)),)),
            Panel("Between two samples", "In steps.", (Line("PCA, 16 components", drawn),) * 3, aligned=True),
        ),
        seconds=12.5,
        settings={"seed": 0, "kind": None},
        versions={"attar": "0.1.0"},
        command="attar explore petals/",
    )


def columns(page):
    written = re.search(r'id="places-data">([^<]*)<', page)[1]
    whole = zlib.decompress(base64.b64decode(written))
    size = int.from_bytes(whole[:4], "little")
    return json.loads(whole[4 : 4 + size]), whole[4 + size :]


def test_the_map_is_the_places_in_the_order_of_the_pictures():
    explored = petals()
    header, body = columns(render_explored(explored))
    n = header["n"]
    index = np.frombuffer(body, "<i4", n)
    np.testing.assert_array_equal(index, explored.order)
    assert header["ids"] == [explored.ids[i] for i in index]
    xy = np.frombuffer(body, "<u2", 2 * n, 4 * n).reshape(2, n).T.astype(float)
    places = explored.layouts["Neighbours"][index].astype(float)
    span = np.ptp(places, axis=0).max()
    # One scale for both axes: distances stay what they are.
    np.testing.assert_allclose(xy / 65535, (places - places.min(0)) / span, atol=2e-5)
    group = np.frombuffer(body, "<i4", n, 4 * n + 2 * 4 * n)
    np.testing.assert_array_equal(group, explored.colours[0].values[index])
    density = np.frombuffer(body, "<f4", n, 4 * n + 2 * 4 * n + 4 * n)
    np.testing.assert_array_equal(density, explored.colours[1].values[index])
    low, high = np.nanpercentile(explored.colours[1].values, [2, 98])
    assert header["colours"][1]["low"] == pytest.approx(low)
    assert header["colours"][1]["high"] == pytest.approx(high)


def test_a_map_of_one_place_and_of_nothing_known():
    explored = petals(5, pictures=False)
    flat = np.zeros((5, 2), dtype=np.float32)
    unknown = Colour("unknown", np.full(5, np.nan, dtype=np.float32))
    header, _ = columns(render_explored(replace(explored, layouts={"Neighbours": flat}, colours=(unknown,))))
    assert header["colours"][0]["low"] == 0


class Reader(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href") and value]


def test_the_page_reaches_for_nothing_and_escapes_everything():
    explored = petals(30, pictures=False)
    drawn = Shown("javascript:alert(1)", NASTY, 3)
    nasty = replace(
        explored,
        run=NASTY,
        source=NASTY,
        verdict=NASTY,
        notes=(NASTY,),
        ids=np.array([NASTY] * 30),
        words=(NASTY,) * 30,
        colours=(replace(explored.colours[0], name=NASTY, classes=(NASTY,) * 6),),
        findings=(Finding(NASTY, NASTY, False, ((3, 3),)),),
        drawn={3: drawn},
        panels=(Panel(NASTY, NASTY, (Line(NASTY, (drawn,)),)),),
        command=NASTY,
        settings={NASTY: NASTY},
    )
    page = render_explored(nasty)
    reader = Reader()
    reader.feed(page)
    plain = Reader()
    plain.feed(render_explored(replace(explored, panels=nasty.panels, findings=nasty.findings, drawn=nasty.drawn)))
    assert reader.tags.count("script") == plain.tags.count("script") == 3
    assert all(source.startswith(("data:", "#")) for source in reader.sources)
    assert "javascript:" not in page.replace(NASTY, "")


def test_the_navigation_has_short_names() -> None:
    page = render_explored(petals(30, pictures=False))
    assert '<a href="#panel-0">Oddest</a> <a href="#panel-1">Between two samples</a>' in page
    assert '<h2 id="panel-0">The oddest samples</h2>' in page


def test_a_line_beneath_a_sample_is_one_on_the_page() -> None:
    drawn = sample(Shown("data:image/png;base64,AA", "a<b>.csv\np = 0.05", 3))
    assert "<small>a&lt;b&gt;.csv</small><small>p = 0.05</small>" in drawn
    assert 'title="a&lt;b&gt;.csv: p = 0.05"' in drawn


def test_samples_of_the_data_can_be_found_on_the_map_and_made_ones_cannot():
    page = render_explored(petals())
    assert page.count('<button type="button" class="sample"') == 24 + 4  # odd ones, and two pairs
    assert page.count('<span class="sample">') == 36


def test_the_spectrum_says_what_holds_the_variance():
    page = render_explored(petals())
    assert "50\u00a0% in 1\u00a0component, 90\u00a0% in 4\u00a0components." in page
    assert "3.1 equal directions" in page
    assert "3\u00a0components vary more" in page
    one = replace(petals(), spectrum=replace(petals().spectrum, above_chance=1))
    assert "1\u00a0component varies more" in render_explored(one)
    assert "All samples are the same" in render_explored(
        replace(petals(), spectrum=Spectrum((0.0,), 0.0, np.nan, None, 4))
    )
