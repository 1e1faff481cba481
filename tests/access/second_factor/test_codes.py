"""Codes of authenticator apps, by the test vectors of the RFC."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from highroad.access.second_factor import codes

AT = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_it_is_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B, of whose eight digits apps show the last six."""
    seed = base64.b32encode(b"12345678901234567890").decode()
    assert codes.code_at(seed, datetime.fromtimestamp(seconds, UTC)) == code


@pytest.mark.parametrize(("drift", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_clocks_may_differ_by_one_step(drift: int, counts: bool) -> None:
    seed = codes.new_seed()
    code = codes.code_at(seed, AT + drift * timedelta(seconds=codes.STEP_SECONDS))
    assert (codes.used_step(seed, code, instant=AT, after=0) is not None) == counts


def test_a_step_that_was_used_counts_no_more() -> None:
    seed = codes.new_seed()
    code = codes.code_at(seed, AT)
    step = codes.used_step(seed, code, instant=AT, after=0)
    assert step is not None
    assert codes.used_step(seed, code, instant=AT, after=step) is None


def test_the_address_is_what_apps_read() -> None:
    address = codes.address("A" * 32, account="ada@example.com", installation="localhost")
    assert address == f"otpauth://totp/localhost:ada%40example.com?secret={'A' * 32}&issuer=localhost"


def test_recovery_codes_are_ten_and_unlike_and_typed_in_any_way() -> None:
    made = codes.new_recovery_codes()
    assert len(set(made)) == codes.RECOVERY_CODES
    assert codes.plain(made[0].upper().replace("-", " ")) == codes.plain(made[0])
    assert len(codes.plain(made[0])) == 15
