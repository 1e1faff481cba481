from __future__ import annotations

from highroad.builds.steps import Lines


def said(*pieces: bytes) -> list[str]:
    lines: list[str] = []
    reader = Lines(lines.append)
    for piece in pieces:
        reader.feed(piece)
    reader.flush()
    return lines


def test_lines_come_whole_however_they_are_cut() -> None:
    assert said(b"on", b"e\ntwo\nth", b"ree") == ["one", "two", "three"]


def test_a_progress_bar_shows_its_last_state() -> None:
    assert said(b"10%\r50%\r100%\r\ndone\r\n") == ["100%", "done"]


def test_colours_and_control_characters_are_taken_out() -> None:
    assert said(b"\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07\x1b[2K\n") == ["red bell"]


def test_what_is_not_utf8_is_replaced() -> None:
    assert said(b"caf\xe9\n") == ["caf\ufffd"]


def test_a_line_without_end_is_cut_into_pieces() -> None:
    lines = said(*[b"x" * 10_000] * 10)
    assert max(map(len, lines)) <= 16 * 1024
    assert len(lines) == 5
