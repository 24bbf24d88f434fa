"""The page of a compression: what it draws and what it escapes."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from attar.report.shrunk import Shrunk, Tried, front, render_shrunk
from tests.report.test_browser import BROWSER, seen
from tests.report.test_page import NASTY


def small() -> Shrunk:
    return Shrunk(
        run="petals",
        model="petals.attar",
        verdict="278 KB became 4 KB.",
        judged="accuracy",
        n_judged=359,
        tried=(
            Tried("float32", 284_000, 0.02, 1.0, 379_520, False),
            Tried("rounded to 25%", 68_000, 0.02, 1.0, 379_520, True),
            Tried("whole, 3 bits", 4000, 0.015, 0.975, 379_520, True),
            Tried("whole, 4 bits", 4000, None, 0.9, None, False),
        ),
        chosen=2,
        sensitivities={"1.weight": {8: 0.0, 4: 0.01, 2: float("inf")}, "1.bias": {8: 0.0}},
        files={"model.attar": "for attar unpack"},
        settings={"budget": "4KB"},
        versions={"attar": "0"},
        command="attar compress petals.attar --budget 4KB",
        seconds=3.0,
        notes=("There is no model.onnx.",),
    )


def test_each_attempt_is_drawn_and_listed() -> None:
    shrunk = small()
    page = render_shrunk(shrunk)
    drawn = front(shrunk)
    assert drawn.count("<circle") == 4
    assert drawn.count("chosen") == 1
    # The line joins what nothing else beats, and only that.
    (line,) = (part for part in drawn.split("<") if part.startswith("polyline"))
    assert line.split('points="')[1].split('"')[0].count(",") == 2
    for one in shrunk.tried:
        assert one.name in page
    assert "71× smaller" in page
    assert "∞" in page
    assert "1.bias" not in page


@pytest.mark.parametrize(
    ("trained", "says"),
    [(True, "359\N{NO-BREAK SPACE}samples that training has not seen"), (False, "359\N{NO-BREAK SPACE}samples given")],
)
def test_samples_to_judge_by_were_set_aside_only_from_a_training(trained, says) -> None:
    page = render_shrunk(replace(small(), trained=trained))
    assert page.count(says) == 2
    assert page.count("359\N{NO-BREAK SPACE}samples") == 2


def test_numbers_in_the_name_of_an_attempt_are_written_as_all_others() -> None:
    tried = (*small().tried, replace(small().tried[0], name="rounded to 6,144 B"))
    assert "<td>rounded to 6\u202f144\u00a0B</td>" in render_shrunk(replace(small(), tried=tried))


def test_what_no_attempt_has_been_measured_by_is_no_column() -> None:
    page = render_shrunk(small())
    assert "<th>Latency</th><th>Multiply-accumulates</th>" in page
    assert "before 100.0" in page
    tried = tuple(replace(one, latency_ms=None, macs=None) for one in small().tried)
    page = render_shrunk(replace(small(), tried=tried, judged="agreement"))
    assert "<th>Agreement</th></tr>" in page
    # What was before agrees with itself.
    assert "before 100.0" not in page


def test_the_unit_of_a_loss_is_that_of_the_answers() -> None:
    assert "of a nat" in render_shrunk(small())
    page = render_shrunk(replace(small(), judged="R²"))
    assert "of their variance" in page
    assert "of a nat" not in page
    assert "Size and R²" in page


def test_without_samples_nothing_is_drawn() -> None:
    shrunk = replace(small(), tried=tuple(replace(one, quality=None) for one in small().tried), sensitivities={})
    assert "give some as data" in front(shrunk)
    assert "<circle" not in render_shrunk(shrunk)


@pytest.mark.parametrize("chosen", [0, 1])
def test_what_is_no_smaller_is_not_called_so(chosen: int) -> None:
    shrunk = small()
    larger = replace(shrunk.tried[0], name="larger", bytes=300_000)
    page = render_shrunk(replace(shrunk, tried=(shrunk.tried[0], larger), chosen=chosen))
    assert "not smaller" in page
    assert "×" not in page


def test_every_string_is_escaped() -> None:
    tried = tuple(replace(one, name=NASTY) for one in small().tried)
    page = render_shrunk(
        replace(
            small(), run=NASTY, model=NASTY, verdict=NASTY, tried=tried, files={NASTY: NASTY}, notes=(NASTY,),
            settings={NASTY: NASTY}, versions={NASTY: NASTY}, command=NASTY, sensitivities={NASTY: {8: 1.0}},
        )
    )  # fmt: skip
    plain = render_shrunk(small())
    assert tags(page).count("script") == tags(plain).count("script") == 1
    assert "img" not in tags(page)


def tags(page: str) -> list[str]:
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append(tag)

    Parser().feed(page)
    return found


HARNESS = """<!doctype html><title>waiting</title>%s<script>
const results = {};
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    results[frame.id] = [page.documentElement.scrollWidth, frame.clientWidth, page.querySelectorAll("circle").length];
  }
  document.title = JSON.stringify(results);
});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium on PATH")
def test_it_fits_every_width_and_says_nothing_on_the_console(tmp_path) -> None:
    (tmp_path / "page.html").write_text(render_shrunk(small()), encoding="utf-8")
    frames = "".join(
        f'<iframe id="{width}" src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for width in (1280, 860, 400)
    )
    for name, (width, room, circles) in seen(HARNESS % frames, tmp_path).items():
        assert width <= room, name
        assert circles == 4
