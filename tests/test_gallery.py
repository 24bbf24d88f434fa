"""The pages of the gallery: drawn from the saved curves, whole, self-contained, and linked to each other."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from attar.risk import Curve
from gallery.__main__ import PAGES, drawn
from gallery.frame import prose, side_by_side
from gallery.measured import Measured
from tests.report.test_page import structure

FOLDER = Path(__file__).parent.parent / "docs" / "gallery"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return dict(drawn({name: Measured.load(FOLDER / f"{name}.json") for name in PAGES}))


def words(page: str) -> str:
    """Without numbers, whose last digit may be another on another machine."""
    return re.sub(r"[\d.,e+-]+", "", page)


def test_the_pages_in_the_folder_are_those_that_the_curves_yield(pages: dict[str, str]) -> None:
    assert {path.name for path in FOLDER.glob("*.html")} == set(pages)
    for name, page in pages.items():
        assert words((FOLDER / name).read_text("utf-8")) == words(page), f"{name}: python -m gallery --redraw"


def test_they_are_well_formed_and_need_no_network(pages: dict[str, str]) -> None:
    for page in pages.values():
        found = structure(page)
        assert not found.open
        assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, *_ in found.tags}
        assert not {"src", "style-src"} & {name for _, *names in found.tags for name in names}
        assert "@import" not in page
        assert "url(" not in page
        assert page.count("<style>") == 1


def test_every_link_leads_somewhere_and_every_page_to_the_next(pages: dict[str, str]) -> None:
    links = {name: structure(page).links for name, page in pages.items()}
    for found in links.values():
        assert all(link in pages or link == "../risk.md" or link.startswith("https://") for link in found)
    names = [f"{name}.html" for name in PAGES]
    assert set(names) <= set(links["index.html"])
    for before, after in pairwise(names):
        assert after in links[before]
        assert before in links[after]


def test_nothing_is_left_to_be_filled_in(pages: dict[str, str]) -> None:
    for page in pages.values():
        shown = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
        shown = re.sub(r"<[^>]*>", " ", shown)
        assert not re.search(r"\$\w|!\w|\bnan\b|\bNone\b|\d%", shown)


def test_measured_values_come_back_rounded(tmp_path: Path) -> None:
    curve = Curve([1, 2], [1 / 3, 0], [2 / 3, np.inf], zero_one=Curve([1, 2], [1, 0], [1, 1 / 7]))
    Measured({"one": curve}, {"rows": [["a", 1 / 3, None, 2]]}, 1.6).save(tmp_path / "some.json")
    found = Measured.load(tmp_path / "some.json")
    np.testing.assert_allclose(found.curves["one"].train_risk, curve.train_risk, rtol=1e-5)
    assert found.curves["one"].zero_one is not None
    assert found.facts == {"rows": [["a", 0.333333, None, 2]]}
    assert found.seconds == 2
    assert "0.3333333" not in (tmp_path / "some.json").read_text()


def test_the_saved_curves_are_small() -> None:
    for name in PAGES:
        path = FOLDER / f"{name}.json"
        assert path.stat().st_size < 100_000
        assert json.loads(path.read_text())["seconds"] > 0


def test_text_is_escaped_and_a_figure_without_a_place_is_an_error() -> None:
    assert "<script>" not in prose("p < n <script>", {}) + side_by_side((Curve([1], [1], [1], over="<script>"), "<b>"))
    with pytest.raises(KeyError):
        prose("!missing", {}, {"other": ""})
    with pytest.raises(KeyError):
        prose("$missing", {})
