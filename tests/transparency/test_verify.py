"""A sound archive is found sound, and whatever was done to another is found and named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highroad.transparency import notes
from highroad.transparency.archive import BadArchive, LeftOut, Signed, TileLine, line_of, parse
from highroad.transparency.findings import Finding, Report
from highroad.transparency.merkle import Frontier, leaf_hash, perfect_root, subtrees
from highroad.transparency.verify import verify
from tests.transparency.logs import BEGIN, KEY, Log, event, log

SOUND = log().lines()
FIRST_EVENT = next(index for index, line in enumerate(SOUND) if line.startswith(b'{"time"'))


def check(lines: Sequence[bytes], known: Sequence[str] = ()) -> Report:
    return verify(lambda: iter(lines), keys=[KEY.public], known=known)


def line_with(seq: int, lines: Sequence[bytes] = SOUND) -> int:
    """The index of the line of an event."""
    return next(index for index, line in enumerate(lines) if f'"seq":{seq},'.encode() in line)


def kinds(report: Report) -> list[tuple[str, int | None]]:
    return [(each.kind, each.seq) for each in report.findings]


def only(report: Report) -> Finding:
    assert len(report.findings) == 1, report.findings
    return report.findings[0]


@pytest.mark.parametrize("size", [1, 2, 99, 100, 255, 256, 257, 512, 513, 1000])
def test_a_sound_archive_is_sound(size: int) -> None:
    made = log(size)
    report = check(made.lines())
    assert report.sound, report.findings
    assert (report.events, report.size, report.root) == (size, size, made.root(size))
    assert report.checkpoints == len(made.sizes)
    assert report.signed_at == BEGIN + timedelta(seconds=size)
    assert report.trusted


def test_an_empty_log_is_sound() -> None:
    assert check(Log([], [0]).lines()).sound


def test_without_a_key_of_ones_own_the_report_says_that_it_trusted_the_file() -> None:
    report = verify(lambda: iter(SOUND))
    assert report.sound
    assert not report.trusted
    assert report.keys == (str(KEY.public),)


@pytest.mark.parametrize("seq", [1, 2, 100, 101, 256, 257, 599, 600])
def test_a_changed_event_is_named(seq: int) -> None:
    lines = list(SOUND)
    at = line_with(seq)
    lines[at] = lines[at].replace(b"xxx", b"xyx", 1)
    found = only(check(lines))
    assert (found.kind, found.seq, found.line, found.position) == ("changed", seq, at + 1, seq - 1)
    assert found.id == f"evt_{seq:026}"


@pytest.mark.parametrize("seq", [2, 100, 256, 257, 599])
def test_a_dropped_event_is_named(seq: int) -> None:
    lines = list(SOUND)
    del lines[line_with(seq)]
    found = only(check(lines))
    assert (found.kind, found.seq, found.position) == ("dropped", seq, seq - 1)


def test_several_dropped_events_are_named_by_their_place() -> None:
    lines = [line for line in SOUND if not any(f'"seq":{seq},'.encode() in line for seq in (1, 300, 301, 600))]
    report = check(lines)
    assert [(each.kind, each.position) for each in report.findings] == [("dropped", at) for at in (0, 299, 300, 599)]


def test_an_inserted_event_is_named() -> None:
    lines = list(SOUND)
    lines.insert(line_with(300), event(9999, at=BEGIN + timedelta(seconds=299)) + b"\n")
    found = only(check(lines))
    assert (found.kind, found.seq) == ("inserted", 9999)


def test_an_event_that_stands_twice_is_named() -> None:
    lines = list(SOUND)
    lines.insert(line_with(301), SOUND[line_with(300)])
    assert kinds(check(lines)) == [("inserted", 300)]


@pytest.mark.parametrize(("one", "other"), [(10, 11), (10, 200), (250, 300)])
def test_events_in_another_order_are_named(one: int, other: int) -> None:
    lines = list(SOUND)
    first, second = line_with(one), line_with(other)
    lines[first], lines[second] = lines[second], lines[first]
    found = check(lines).findings
    assert {each.kind for each in found} == {"reordered"}
    assert {each.seq for each in found} & {one, other}


def test_a_back_dated_event_is_named_as_that() -> None:
    lines = list(SOUND)
    lines[line_with(300)] = event(300, at=BEGIN - timedelta(days=30)) + b"\n"
    assert kinds(check(lines)) == [("back-dated", 300)]


def with_hashes(events: Sequence[bytes], size: int) -> Iterator[bytes]:
    """The lines of tiles and events as somebody would write them who covers his tracks."""
    for start, end in pairwise([*range(0, size, 256), size]):
        part = events[start:end]
        yield line_of(TileLine(start, end, b"".join(leaf_hash(each) for each in part).hex()))
        yield from (each + b"\n" for each in part)


def test_who_changes_the_hashes_as_well_is_found_by_the_checkpoints() -> None:
    made = log(600, every=100)
    made.events[349] = made.events[349].replace(b"xxx", b"xyx", 1)
    controls = [line for line in SOUND if isinstance(parse(line), Signed) or line is SOUND[0]]
    found = only(check([*controls, *with_hashes(made.events, 600), SOUND[-1]]))
    assert (found.kind, found.position) == ("rewritten", 300)
    assert "events 301 to 400" in found.detail


def test_with_a_checkpoint_for_each_event_even_that_one_is_named() -> None:
    made = log(20, every=1)
    sound = made.lines()
    made.events[9] = made.events[9].replace(b"xxx", b"xyx", 1)
    controls = [line for line in sound if not line.startswith((b'{"time"', b'{"tile"', b'{"end"'))]
    found = only(check([*controls, *with_hashes(made.events, 20), sound[-1]]))
    assert (found.kind, found.seq) == ("rewritten", 10)


def test_who_signs_a_changed_log_with_another_key_is_found() -> None:
    other = Log([event(number, forged=True) for number in range(1, 301)], [300], key=notes.new_key(KEY.name))
    report = check(other.lines())
    assert {each.kind for each in report.findings} == {"checkpoint"}
    assert verify(lambda: iter(other.lines())).sound, "which only shows if one knows the key"


def test_a_cut_off_end_is_found_by_a_checkpoint_that_somebody_kept() -> None:
    whole = log(600)
    short = Log(whole.events[:500], [100, 500])
    assert check(short.lines()).sound
    found = only(check(short.lines(), known=[whole.note(600)]))
    assert found.kind == "dropped"
    assert "its end is missing" in found.detail


def test_a_log_that_was_written_anew_is_found_by_a_checkpoint_that_somebody_kept() -> None:
    anew = Log([event(number, other=True) for number in range(1, 601)], [600])
    assert check(anew.lines()).sound, "the key signed it"
    report = check(anew.lines(), known=[log().note(300)])
    assert report.findings[0].kind == "rewritten"


def test_a_kept_checkpoint_that_fits_is_counted() -> None:
    report = check(SOUND, known=[log().note(333)])
    assert report.sound
    assert report.checkpoints == 7


@pytest.mark.parametrize(
    "text",
    ["nonsense", log(1).note(1).replace("audit/1", "audit/2", 1), Log([event(1)], [1]).note(1, key=notes.new_key("x"))],
)
def test_a_kept_checkpoint_that_is_none_of_this_log_is_told(text: str) -> None:
    assert check(SOUND, known=[text]).findings[0].kind == "checkpoint"


def test_an_event_that_claims_to_be_older_than_a_checkpoint_without_it_is_named() -> None:
    made = log(300, every=100)
    made.events[249] = event(250, at=BEGIN - timedelta(hours=1))
    honest = Log(made.events, made.sizes)
    found = only(check(honest.lines()))
    assert (found.kind, found.seq) == ("back-dated", 250)


def test_an_event_that_claims_to_be_younger_than_a_checkpoint_with_it_is_named() -> None:
    made = log(300, every=100)
    made.events[49] = event(50, at=BEGIN + timedelta(days=1))
    found = only(check(Log(made.events, made.sizes).lines()))
    assert (found.kind, found.seq) == ("post-dated", 50)


def test_a_checkpoint_that_is_signed_before_the_one_before_it_is_told() -> None:
    made = log(300, every=100)
    lines = made.lines()
    at = next(index for index, line in enumerate(lines) if isinstance(parse(line), Signed) and b"\\n200\\n" in line)
    lines[at] = line_of(Signed(made.note(200, BEGIN - timedelta(days=1))))
    report = check(lines)
    assert {each.kind for each in report.findings} >= {"back-dated"}


# What was left out


def dropped(at: int = 300, size: int = 700, **changes: str) -> list[bytes]:
    """A log whose first `at` events were dropped by a statement, which is the event behind them all."""
    whole = log(size)
    statement = event(size + 1, at=None, **{"statement": whole.note(at)} | changes)
    made = Log([*whole.events, statement], [100, at, size + 1], dropped=at, statement=size)
    return made.lines()


@pytest.mark.parametrize("at", [1, 256, 300, 512, 699])
def test_what_a_signed_statement_of_retention_dropped_is_no_fault(at: int) -> None:
    report = check(dropped(at))
    assert report.sound, report.findings
    assert (report.dropped, report.events, report.unchecked) == (at, 701 - at, 0)


def test_what_no_statement_covers_is_a_fault() -> None:
    for lines in (dropped(statement=log(700).note(200)), dropped(statement="nonsense")):
        found = only(check(lines))
        assert found.kind == "dropped"
        assert "first 300 events are missing" in found.detail


def test_a_statement_that_the_log_did_not_sign_does_not_count() -> None:
    forged = log(700).note(300, key=notes.new_key(KEY.name))
    assert "not signed by the log" in only(check(dropped(statement=forged))).detail


def test_an_old_checkpoint_of_what_was_dropped_still_has_to_fit() -> None:
    lines = dropped()
    at = next(index for index, line in enumerate(lines) if b'"proof"' in line)
    signed = parse(lines[at])
    assert isinstance(signed, Signed)
    assert signed.proof
    lines[at] = line_of(Signed(signed.note, signed.proof[:-1]))
    assert only(check(lines)).kind == "rewritten"
    lines[at] = line_of(Signed(signed.note))
    assert check(lines).unchecked == 1


def test_a_part_of_a_log_proves_what_it_has() -> None:
    made = log(600)
    lines = [SOUND[0], line_of(Signed(made.note(600)))]
    at = 0
    for position in (17, 256, 257, 599):
        lines += left_out(made, at, position)
        lines.append(line_of(TileLine(position, position + 1, made.leaves[position].hex())))
        lines.append(made.events[position] + b"\n")
        at = position + 1
    report = check([*lines, SOUND[-1]])
    assert report.sound, report.findings
    assert (report.events, report.left_out) == (4, 596)
    lines[-1] = lines[-1].replace(b"xxx", b"xyx", 1)
    assert kinds(check([*lines, SOUND[-1]])) == [("changed", 600)]


def left_out(made: Log, start: int, end: int) -> list[bytes]:
    if start == end:
        return []
    hashes = tuple(
        perfect_root(made.leaves[index << level : (index + 1) << level]) for level, index in subtrees(start, end)
    )
    return [line_of(LeftOut(start, end, hashes, "filter"))]


# Anything


@pytest.mark.parametrize(
    "content", [[], [b""], [b"\n"], [b"{}\n"], [b"[1]\n"], [b'{"log":1}\n'], [b"\xff\xfe\n"], SOUND[1:]]
)
def test_what_is_no_archive_is_refused_with_what_to_do(content: list[bytes]) -> None:
    with pytest.raises(BadArchive) as refused:
        check(content)
    assert refused.value.next_step


@pytest.mark.parametrize("cut", [1, 2, 7, 8, 50, 300, len(SOUND) - 1])
def test_a_file_that_ends_too_early_is_never_sound(cut: int) -> None:
    assert not check(SOUND[:cut]).sound


SMALL = log(40, every=10).lines()


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_byte_of_an_event_can_be_changed(data: st.DataObject) -> None:
    lines = list(SMALL)
    at = data.draw(st.sampled_from([index for index, line in enumerate(lines) if line.startswith(b'{"time"')]))
    place = data.draw(st.integers(0, len(lines[at]) - 2))  # without its line break, where a file's reader splits
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != lines[at][place]))
    lines[at] = lines[at][:place] + bytes([byte]) + lines[at][place + 1 :]
    assert not check(lines).sound


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_line_can_be_taken_away_moved_or_doubled(data: st.DataObject) -> None:
    lines = list(SMALL)
    one = data.draw(st.integers(1, len(lines) - 1))
    other = data.draw(st.integers(1, len(lines) - 1).filter(lambda value: value != one))
    what = data.draw(st.sampled_from(["take", "move", "double", "swap"]))
    if what == "take":
        taken = lines.pop(one)
        if isinstance(parse(taken), Signed) and b"\\n40\\n" not in taken:
            return  # one checkpoint less proves as much; whoever kept it brings it
    elif what == "move":
        lines.insert(other, lines.pop(one))
    elif what == "double":
        lines.insert(other, lines[one])
    else:
        lines[one], lines[other] = lines[other], lines[one]
    before = [each for each in lines if not isinstance(parse(each), Signed)]
    if before == [each for each in SMALL if not isinstance(parse(each), Signed)]:
        return  # only checkpoints changed their places, which have none
    assert not check(lines).sound


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_whatever_is_done_to_events_the_check_ends_and_finds_it(data: st.DataObject) -> None:
    made = log(40, every=10)
    events: list[bytes] = list(made.events)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(events) - 1)))
        what = data.draw(st.sampled_from(["drop", "insert", "change", "move"]))
        if what == "drop" and events:
            events.pop(at)
        elif what == "insert":
            events.insert(at, event(data.draw(st.integers(1, 99)), made="up"))
        elif what == "change" and events:
            events[at] = events[at].replace(b"x", b"y", data.draw(st.integers(1, 5)))
        elif events:
            events.insert(data.draw(st.integers(0, len(events) - 1)), events.pop(at))
    if events == made.events:
        return
    controls = [line for line in SMALL if not line.startswith(b'{"time"')]
    lines = [*controls[:-1], *(each + b"\n" for each in events), controls[-1]]
    report = check(lines)
    assert not report.sound
    assert {each.kind for each in report.findings} <= {"changed", "dropped", "inserted", "reordered", "back-dated"}


def test_a_frontier_can_be_taken_up_where_it_ended() -> None:
    made = log(300)
    frontier = Frontier()
    for (level, _), digest in zip(subtrees(0, 300), _hashes(made, 300), strict=True):
        frontier.append(level, digest)
    assert frontier.root() == made.root(300)


def _hashes(made: Log, size: int) -> list[bytes]:
    return [perfect_root(made.leaves[index << level : (index + 1) << level]) for level, index in subtrees(0, size)]


def test_an_archive_is_lines_of_json() -> None:
    assert all(isinstance(json.loads(line), dict) for line in SOUND)
