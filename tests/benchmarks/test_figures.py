"""A figure knows whether it meets its target, and a table shows what it was compared with."""

from __future__ import annotations

from benchmarks.figures import Figure, percentile, summary, table


def test_a_value_up_to_its_target_meets_it_and_one_above_misses_it() -> None:
    assert Figure(name="push", measured=1.0, unit="s", target=1.0).verdict == "met"
    assert Figure(name="push", measured=1.01, unit="s", target=1.0).verdict == "MISSED"
    assert Figure(name="push", measured=1.0, unit="s").verdict == ""


def test_a_target_of_a_ratio_is_compared_with_the_ratio() -> None:
    figure = Figure(name="first", measured=2.6, unit="s", target=1.3, of_ratio=True, peer=2.0)
    assert figure.ratio == 1.3
    assert figure.verdict == "met"
    assert figure.bound == "<= 1.3 x"


def test_a_share_of_the_values_does_not_exceed_their_percentile() -> None:
    values = [float(each) for each in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert percentile([], 0.5) == 0


def test_a_summary_speaks_in_the_unit_that_fits() -> None:
    assert summary([0.002, 0.001, 0.004]) == "1 to 4 ms, median 2, 3 times"
    assert summary([2.0]) == "2 to 2 s, median 2, 1 times"


def test_the_table_shows_measured_peer_ratio_target_and_split() -> None:
    shown = table([Figure(name="push", measured=0.5, unit="s", target=1, peer=0.25, against="bare", split="a\nb")])
    assert "0.5 s" in shown
    assert "0.25 s bare" in shown
    assert "2.00 x" in shown
    assert shown.endswith("met\n    a\n    b")
