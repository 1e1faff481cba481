"""Amounts are read as Kubernetes reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.quantities import cpu_cores, memory_bytes, memory_text


@pytest.mark.parametrize(
    ("text", "amount"), [("512Mi", 512 * 2**20), ("125M", 125_000_000), ("1Gi", 2**30), ("1048576", 2**20)]
)
def test_memory_is_read(text: str, amount: int) -> None:
    assert memory_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "0", "12 gigs", "-1Mi", "1.5Gi", "1KiB", "1mi"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        memory_bytes(text)


@pytest.mark.parametrize(("text", "cores"), [("2", 2.0), ("0.5", 0.5), (".24", 0.24), ("250m", 0.25)])
def test_cpu_is_read(text: str, cores: float) -> None:
    assert cpu_cores(text) == cores


@given(st.integers(1, 2**50))
def test_memory_is_written_exactly(amount: int) -> None:
    assert memory_bytes(memory_text(amount)) == amount
