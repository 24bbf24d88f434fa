"""Where a chosen model stands: beyond the threshold if it fits its labels, and curves of its own head."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attar import kinds
from attar.report.swept import Shown
from attar.risk.columns import PENALTIES
from attar.standing import standing
from attar.training.progress import Silent


def given(n: int = 30, p: int = 12, wrong: int = 0, **changed: Any) -> tuple[Any, Any]:
    """Labelled samples of two classes, so many of them answered wrongly by the chosen model; and that model."""
    rng = np.random.default_rng(0)
    codes = np.arange(n) % 2
    z = rng.standard_normal((n, p)).astype(np.float32)
    z[:, 0] += 2 * codes
    said = codes.copy()
    said[:wrong] = 1 - said[:wrong]
    job = SimpleNamespace(labelled=np.arange(n), codes=codes, seed=0, progress=Silent(), together=None)
    # Of new samples it gets half wrong: more than any curve could promise.
    chosen = {"members": (), "everything": np.eye(2)[said], "components": z, "components_of": np.arange(n)}
    chosen["held_out"] = np.eye(2)[np.zeros((1, n), int)]
    return job, SimpleNamespace(**(chosen | {"name": "raw + linear", "penalty": 1e-3} | changed))


def curves(found: dict[str, Any]) -> dict[str, Shown]:
    shown = [Shown.from_json(one) for one in found["sweeps"]]
    return {one.curve.over: one for one in shown}


def test_the_regime_is_told_by_the_labels_it_learnt_from() -> None:
    fits = standing(*given())["regime"]
    assert "right on 100 % of the 30 labels" in fits
    assert "beyond the interpolation threshold" in fits
    misses = standing(*given(wrong=3))["regime"]
    assert "right on 90.0 % of the 30 labels" in misses
    assert "before the interpolation threshold" in misses


def test_the_head_is_varied_from_where_it_stands() -> None:
    found = curves(standing(*given(penalty=0.013)))
    assert set(found) == {"features", "samples", "λ"}
    assert found["features"].advice.default == 12
    assert found["features"].curve.axis[-1] == 12
    nearest = PENALTIES[np.abs(np.log(PENALTIES) - np.log(0.013)).argmin()]
    assert found["λ"].advice.default == nearest
    # A fifth of the labels is left out.
    assert found["samples"].advice.default == 24
    assert found["samples"].advice.setting == 48
    assert all(one.test is None and one.curve.draws == 15 for one in found.values())
    assert standing(*given()) == standing(*given())


def test_what_cannot_be_told_from_rounding_is_no_component() -> None:
    job, chosen = given()
    before = curves(standing(job, chosen))
    chosen.components = np.hstack(
        [chosen.components, 1e-8 * np.random.default_rng(1).standard_normal((30, 5), np.float32)]
    )
    after = curves(standing(job, chosen))
    assert after["features"].advice.default == 12
    assert np.array_equal(after["features"].curve.test_risk, before["features"].curve.test_risk)


def test_columns_that_depend_on_one_another_promise_nothing() -> None:
    """One column for each category, some of them rare: a fold in which one is missing has a direction of rounding."""
    rng = np.random.default_rng(0)
    job, chosen = given(60)
    categories = np.eye(20)[np.where(rng.random((60, 2)) < 0.3, 0, rng.integers(20, size=(60, 2)))].reshape(60, 40)
    x = np.hstack([categories, 2 * job.codes[:, None] + rng.standard_normal((60, 3))])
    u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    chosen.components = (u * s).astype(np.float32)
    found = curves(standing(job, chosen))["features"]
    assert found.curve.test_risk.max() < 1
    assert found.advice.gain.mean < 0.2


def test_a_curve_that_promises_more_than_the_model_gets_wrong_is_not_of_it() -> None:
    job, chosen = given(penalty=10.0)
    promised = curves(standing(job, chosen))["samples"].advice.errors
    assert promised is not None
    assert promised.mean > 0
    chosen.held_out = np.eye(2)[job.codes][None]
    found = standing(job, chosen)
    assert all((one.advice.errors or one.advice.gain).mean <= 0 for one in curves(found).values())
    assert "samples" not in curves(found)


def test_a_network_with_too_few_labels_is_not_said_to_lack_a_head() -> None:
    job, chosen = given(3, name="from scratch", components=None)
    assert "Fewer than two classes" in standing(job, chosen)["without"]


@pytest.mark.parametrize("penalty", [1e-30, 1e30])
def test_a_penalty_beyond_those_tried_is_the_last_of_them(penalty: float) -> None:
    advice = curves(standing(*given(penalty=penalty)))["λ"].advice
    assert advice.default == (PENALTIES[0] if penalty < 1 else PENALTIES[-1])


def test_without_a_ridge_there_is_no_curve_over_it() -> None:
    assert set(curves(standing(*given(penalty=None)))) == {"features", "samples"}


def test_of_a_committee_the_first_member_is_looked_at() -> None:
    job, member = given()
    _, second = given(components=None)
    committee = SimpleNamespace(
        members=(member, second),
        everything=member.everything,
        held_out=member.held_out,
        components=None,
        components_of=None,
        penalty=None,
    )
    assert standing(job, committee)["sweeps"] == standing(job, member)["sweeps"]


def test_components_of_some_labelled_samples_have_the_codes_of_those() -> None:
    job, chosen = given()
    some = np.array([0, 1, 4, 5, 8, 9, 12, 13, 20, 21])
    chosen.components, chosen.components_of = chosen.components[some], some
    sub = SimpleNamespace(labelled=np.arange(10), codes=job.codes[some], seed=0, progress=Silent(), together=None)
    whole = SimpleNamespace(**{**vars(chosen), "components_of": np.arange(10), "everything": chosen.everything[some]})
    whole.held_out = chosen.held_out[:, some]
    assert standing(job, chosen)["sweeps"] == standing(sub, whole)["sweeps"]


def test_groups_are_left_out_whole_and_one_alone_gives_no_curves() -> None:
    job, chosen = given()
    apart = curves(standing(job, chosen))["features"].curve.test_risk
    job.together = np.arange(30) // 2
    pairs = curves(standing(job, chosen))["features"].curve.test_risk
    assert np.isfinite(pairs).all()
    assert (pairs != apart).any()
    job.together = np.zeros(30, int)
    assert standing(job, chosen)["sweeps"] == []


@pytest.mark.parametrize(
    "case", ["no components", "one column", "one class", "single labels", "three labels", "constant", "more classes"]
)
def test_little_is_enough_or_gives_no_curves(case: str) -> None:
    job, chosen = given()
    some = {"one class": np.arange(0, 30, 2), "single labels": np.arange(2), "three labels": np.arange(3)}.get(case)
    if case == "no components":
        chosen.components = chosen.components_of = None
    elif case == "one column":
        chosen.components = chosen.components[:, :1]
    elif case == "constant":
        chosen.components = np.zeros_like(chosen.components)
    elif case == "more classes":
        job.codes = np.arange(30) // 2
        chosen.everything = np.eye(15)[job.codes]
    elif some is not None:
        chosen.components, chosen.components_of = chosen.components[some], some
    found = standing(job, chosen)
    why = {
        "no components": "no linear head",
        **dict.fromkeys(("one column", "constant"), "a single number"),
        **dict.fromkeys(("one class", "single labels", "three labels"), "Fewer than two classes"),
    }.get(case, "")
    assert bool(found["sweeps"]) != bool(why)
    assert (why in found["without"]) if why else not found["without"]
    for one in curves(found).values():
        assert np.isfinite(one.curve.test_risk).all()


def test_a_finished_job_says_where_its_model_stands(table: Any) -> None:
    risk = table.outcome.facts.risk
    assert "interpolation threshold" in risk["regime"]
    assert "Too small or too large?" in (table.folder / "report.html").read_text(encoding="utf-8")
    for one in curves(risk).values():
        assert one.curve.zero_one is not None


def test_a_network_is_trained_for_fewer_and_for_more_steps() -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(40) % 2
    x = rng.standard_normal((40, 6)).astype(np.float32)
    x[:, 0] += 3 * codes
    job, chosen = given(40, name="from scratch", components=None)
    job.x, job.kind, job.at_once = x, kinds.of("table").learn(x), 64
    job.plan, job.meta = SimpleNamespace(tune_steps=20, device="cpu"), SimpleNamespace(classes=("a", "b"))
    found = curves(standing(job, chosen))
    assert set(found) == {"steps"}
    assert found["steps"].curve.axis.tolist() == [5, 10, 20, 40]
    assert found["steps"].advice.default == 20
    # Five steps of a network that starts at random say less than forty.
    assert found["steps"].curve.test_risk[-1] < found["steps"].curve.test_risk[0]
