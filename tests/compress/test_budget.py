from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.compress.budget import Budget, milliseconds, readable
from attar.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "size", "latency"),
    [
        ("50KB", 51_200, None),
        ("50kb", 51_200, None),
        ("100 B", 100, None),
        ("1.5MB", 1_572_864, None),
        ("2GB", 2**31, None),
        ("0.5ms", None, 0.5),
        ("250us", None, 0.25),
        ("250\u00b5s", None, 0.25),
        ("250\u03bcs", None, 0.25),
        ("1s", None, 1000.0),
        ("50KB,0.5ms", 51_200, 0.5),
        (" 0.5 ms , 50 KB ", 51_200, 0.5),
    ],
)
def test_parse(text, size, latency) -> None:
    budget = Budget.parse(text)
    assert (budget.bytes, budget.latency_ms) == (size, pytest.approx(latency) if latency else None)


def test_what_may_be_lost() -> None:
    budget = Budget.parse("50KB, 1.5%")
    assert (budget.bytes, budget.latency_ms) == (51_200, None)
    assert budget.accuracy_drop == pytest.approx(0.015)
    assert str(budget) == "50.0 KB, 1.5 % lost"
    assert Budget.parse("0%").accuracy_drop == 0
    for lost in (-0.01, 1.0, math.nan):
        with pytest.raises(BudgetError, match="share"):
            Budget(accuracy_drop=lost)


def test_text_in_place_of_a_number_is_refused() -> None:
    with pytest.raises(BudgetError, match=r"bytes='5KB': give a number, or Budget.parse"):
        Budget(bytes="5KB")


@pytest.mark.parametrize("given", [1.5, 1000.0, math.inf, np.float64(7), True])
def test_bytes_are_whole_numbers(given) -> None:
    with pytest.raises(BudgetError, match=r"bytes=.*: give a whole number"):
        Budget(bytes=given)
    assert Budget(bytes=np.int64(7)).allows(7, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "100%",
        "1%,2%",
        ",",
        "50",
        "KB",
        "50 KB KB",
        "50KB,",
        "50KB,20KB",
        "1ms,2ms",
        "-5KB",
        "+5KB",
        "1e3KB",
        "0KB",
        "0.1B",
        "0ms",
        "nanKB",
        "infKB",
        "9" * 400 + "KB",
        "9" * 400 + "ms",
        "5TB",
        "5ſ",
        "50KB;rm -rf",
        "50KB\n0.5ms",
        "1,5MB",
        "0x10KB",
    ],
)
def test_hostile_text_is_refused(text) -> None:
    with pytest.raises(BudgetError) as error:
        Budget.parse(text)
    assert "\n" not in str(error.value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.text("0123456789.,kKmMbBsSµuU ", max_size=12))
def test_any_text_is_a_budget_or_a_budget_error(text) -> None:
    try:
        budget = Budget.parse(text)
    except BudgetError:
        return
    assert budget.bytes is None or budget.bytes > 0
    assert budget.latency_ms is None or 0 < budget.latency_ms < math.inf


@pytest.mark.parametrize("values", [{"bytes": 0}, {"bytes": -1}, {"latency_ms": 0.0}, {"latency_ms": math.nan}])
def test_values_must_be_above_zero(values) -> None:
    with pytest.raises(BudgetError, match="above zero"):
        Budget(**values)


def test_allows() -> None:
    assert Budget().allows(10**12, 1e9)
    assert Budget(bytes=100).allows(100, 1e9)
    assert not Budget(bytes=100).allows(101, 0.0)
    assert Budget(latency_ms=1.0).allows(10**12, 1.0)
    assert not Budget(bytes=100, latency_ms=1.0).allows(100, 1.01)


@pytest.mark.parametrize(
    ("latency", "digits", "written"),
    [(0.00001234, 2, "0.000012"), (0.0996, 2, "0.10"), (2.0, 3, "2.00"), (1234.0, 2, "1200"), (0.0, 2, "0")],
)
def test_a_latency_has_so_many_digits_and_no_exponent(latency: float, digits: int, written: str) -> None:
    assert milliseconds(latency, digits) == f"{written} ms"


def test_for_a_person() -> None:
    assert str(Budget.parse("50KB,0.5ms")) == "50.0 KB, 0.5 ms"
    assert str(Budget()) == "none"
    assert [readable(size) for size in (0, 1023, 1024, 2**20 - 1, 2**20)] == [
        "0 B",
        "1,023 B",
        "1.0 KB",
        "1.0 MB",
        "1.0 MB",
    ]
