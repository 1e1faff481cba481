"""Reading segments as the collector leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.drivers.contract import LogPage
from highroad.drivers.errors import BadCursor
from highroad.drivers.process import logs

HEAD = "2026-11-22T23:07:20.000001Z web.1 ins_1 "


def segment(directory: Path, number: int, *texts: str, rest: str = "") -> None:
    (directory / f"{number:08d}.log").write_text("".join(f"{HEAD}{text}\n" for text in texts) + rest)


def texts(page: LogPage) -> list[str]:
    return [line.text for line in page.lines]


def test_pages_join_across_segments(tmp_path: Path) -> None:
    segment(tmp_path, 1, "a", "b")
    segment(tmp_path, 2, "c", "d e  f")
    first = logs.read_after(tmp_path, None, 3)
    rest = logs.read_after(tmp_path, first.cursor, 3)
    assert texts(first) + texts(rest) == ["a", "b", "c", "d e  f"]
    assert not rest.dropped


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    segment(tmp_path, 1, "whole", rest=HEAD + "half")
    page = logs.read_after(tmp_path, None, 10)
    assert texts(page) == ["whole"]
    segment(tmp_path, 1, "whole", "half and half")
    assert texts(logs.read_after(tmp_path, page.cursor, 10)) == ["half and half"]


def test_a_cursor_in_a_rotated_segment_says_that_lines_are_gone(tmp_path: Path) -> None:
    segment(tmp_path, 5, "e")
    page = logs.read_after(tmp_path, "2:10", 10)
    assert page.dropped
    assert texts(page) == ["e"]


def test_a_tail_spans_segments(tmp_path: Path) -> None:
    segment(tmp_path, 1, "a", "b", "c")
    segment(tmp_path, 2, "d")
    assert texts(logs.read_tail(tmp_path, 3)) == ["b", "c", "d"]
    assert texts(logs.read_tail(tmp_path, 99)) == ["a", "b", "c", "d"]
    assert texts(logs.read_tail(tmp_path, 0)) == []


def test_a_stream_that_began_anew_is_read_from_its_start(tmp_path: Path) -> None:
    segment(tmp_path, 1, "new")
    page = logs.read_after(tmp_path, "7:100", 10)
    assert (texts(page), page.dropped) == (["new"], True)


def test_a_carriage_return_neither_ends_nor_forges_a_line(tmp_path: Path) -> None:
    forged = HEAD.replace("ins_1", "ins_2")
    segment(tmp_path, 1, "before", f"a\r{forged}I am another", "b\rno instant at all here", "after")
    for page in (logs.read_tail(tmp_path, 10), logs.read_after(tmp_path, None, 10)):
        assert [line.instance for line in page.lines] == ["ins_1"] * 4
        assert texts(page)[0::3] == ["before", "after"]


def test_a_line_that_is_none_is_passed_over(tmp_path: Path) -> None:
    segment(
        tmp_path, 1, "before", rest="some words and more words\n9999-99-99T00:00:00Z web.1 ins_1 x\n" + HEAD + "after\n"
    )
    for page in (logs.read_tail(tmp_path, 10), logs.read_after(tmp_path, None, 10)):
        assert texts(page) == ["before", "after"]


@pytest.mark.parametrize("cursor", ["", "x", "1", "1:", "-1:0", "1:x", "../1:0"])
def test_a_cursor_must_be_one(tmp_path: Path, cursor: str) -> None:
    segment(tmp_path, 1, "a")
    with pytest.raises(BadCursor):
        logs.read_after(tmp_path, cursor, 1)


@pytest.mark.parametrize("stream", ["../../etc", "a/b", "..", "."])
def test_a_stream_cannot_leave_its_room(tmp_path: Path, stream: str) -> None:
    assert logs.directory_of(tmp_path, stream).resolve().parent == tmp_path / "apps"
