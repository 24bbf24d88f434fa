"""The page of risk curves: what it says first, what it lists, and what it escapes."""

from __future__ import annotations

import re
from dataclasses import replace

from attar.report.risks import Risks, render_risks
from attar.report.saved import RISKS, write_risks
from attar.report.words import prose
from attar.risk.advice import Gain
from tests.report.conftest import shown
from tests.report.test_page import NASTY, structure


def three() -> Risks:
    return Risks(
        run="petals-risk",
        source="petals.csv",
        kind="table",
        n=100,
        n_labelled=40,
        n_test=30,
        sweeps=(shown(), shown("λ", keep=True), shown("label noise")),
        best=0,
        notes=("3 rows were skipped.",),
        settings={"over": "features", "seed": 0, "holdout": None},
        versions={"attar": "0"},
        command="attar risk petals.csv",
        seconds=3.0,
    )


def test_the_page_is_well_formed_and_needs_no_network() -> None:
    page = render_risks(three())
    found = structure(page)
    assert len(set(found.ids)) == len(found.ids)
    assert all(link.startswith("#") or link == "data:," for link in found.links)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert "url(" not in page
    assert "nan" not in re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)
    assert page == render_risks(three())


def test_the_advice_that_counts_most_comes_first() -> None:
    risks = three()
    assert risks.verdict == risks.sweeps[0].advice.sentence
    page = render_risks(risks)
    assert page.index(prose(risks.verdict)) < page.index("<main")
    assert "5.0 points" in page
    assert "-1.0\u00a0to\u00a0+11.0" in page
    table = page.split("<tbody>")[1].split("</tbody>")[0]
    # Wrong labels are no setting.
    assert table.count("<tr") == 2
    assert table.count("chosen") == 1
    assert "stay" in table


def test_without_advice_it_says_so() -> None:
    page = render_risks(replace(three(), sweeps=(shown("λ", keep=True),), best=None))
    assert "leave it as it is" in page
    assert "Expected gain" not in page


def test_more_labels_are_advised_where_no_setting_is() -> None:
    labels = shown("samples")
    said = replace(three(), sweeps=(shown("λ", keep=True), labels), best=None).verdict
    assert said.endswith(f"leave it as it is. {labels.advice.sentence}")
    assert said.startswith("No setting that was varied is better")


def test_what_labels_cost_is_the_verdict_where_no_setting_was_varied() -> None:
    risks = replace(three(), sweeps=(shown("label noise"),), best=None)
    assert risks.verdict == risks.sweeps[0].advice.sentence
    page = render_risks(risks)
    assert "leave it as it is" not in page
    assert "<tbody></tbody>" not in page
    assert replace(risks, sweeps=(shown("samples"),)).verdict.startswith("Get twice as many labels")


def test_where_there_are_no_classes_the_loss_is_what_falls() -> None:
    page = render_risks(replace(three(), sweeps=(shown(classes=False),)))
    assert "of the loss, 90\u00a0% interval 0.5 to 1.5" in page


def test_what_rounds_to_nothing_has_no_sign() -> None:
    sweep = three().sweeps[0]
    errors = Gain(0.0004, (-0.0003, 0.011), 0.9)
    page = render_risks(replace(three(), sweeps=(replace(sweep, advice=replace(sweep.advice, errors=errors)),)))
    assert "<b>0.0 points</b>" in page
    assert "interval +0.0\u00a0to\u00a0+1.1" in page


def test_every_string_is_escaped() -> None:
    def of(string: str) -> Risks:
        return replace(
            three(), run=string, source=string, kind=string, notes=(string,), settings={string: string},
            versions={string: string}, command=string, sweeps=(shown(string),),
        )  # fmt: skip

    nasty, plain = (structure(render_risks(of(string))) for string in (NASTY, re.sub(r"[^a-z]", "a", NASTY.lower())))
    assert nasty.tags == plain.tags
    assert nasty.links == plain.links


def test_it_is_written_whole(tmp_path) -> None:
    page = write_risks(tmp_path, three())
    assert page == tmp_path / RISKS
    assert [path.name for path in tmp_path.iterdir()] == [RISKS]
    assert page.read_text(encoding="utf-8") == render_risks(three())
