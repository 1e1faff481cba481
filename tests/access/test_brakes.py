"""Whose failures count together, and how long the wait becomes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from highroad.access.brakes import LONGEST_LOCAL_WAIT, LONGEST_WAIT, UNDER_ATTACK, Brake, brakes
from highroad.kit.clock import now


def keys(address: str) -> list[str]:
    return [brake.key for brake in brakes("ada@example.com", address, lambda _key: None)]


def test_five_attempts_are_free_and_the_wait_then_doubles_to_its_end() -> None:
    brake = Brake("x")
    waits = [brake.wait(count).total_seconds() for count in (0, 4, 5, 6, 7, 1000)]
    assert waits == [0, 0, 4, 8, 16, LONGEST_WAIT.total_seconds()]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("127.0.0.1", "::1", True),
    ],
)
def test_a_network_counts_as_one(one: str, other: str, together: bool) -> None:
    assert (keys(one) == keys(other)) is together


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "local", ""])
def test_the_machine_itself_is_never_braked_as_a_whole_nor_for_long(address: str) -> None:
    held = brakes("ada@example.com", address, lambda _key: None)
    assert not any(brake.key.startswith("address:") for brake in held)
    assert max(brake.wait(1000) for brake in held) == LONGEST_LOCAL_WAIT


def test_no_brake_depends_on_the_user_alone() -> None:
    def failures(key: str) -> tuple[int, object] | None:
        return (10 * UNDER_ATTACK, now()) if key.startswith("user:") else None

    held = brakes("ada@example.com", "10.0.0.1", failures)  # type: ignore[arg-type]
    counted = {brake.key: failures(brake.key) for brake in held}
    assert all(brake.wait(found[0]) == timedelta(0) for brake in held if (found := counted[brake.key]))
    assert held[0].wait(0) == timedelta(0)
    assert held[0].wait(1) > timedelta(0)


def test_keys_fit_into_their_column() -> None:
    assert max(len(brake.key) for brake in brakes("x" * 300, "y" * 64, lambda _key: None)) <= 300
