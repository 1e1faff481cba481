"""What reaches a terminal, and what only a terminal gets."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from highroad.cli.output import Output, ago, clean, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_output_has_no_word_for_people() -> None:
    stream = io.StringIO()
    output = Output(json_wanted=True, stdout=stream, stderr=stream, environ={})
    output.say("hello")
    output.note("hello")
    output.table(("A",), [("b",)], empty="none")
    output.document({"a": "ü"})
    assert json.loads(stream.getvalue()) == {"a": "ü"}


def test_people_get_no_json() -> None:
    stream = io.StringIO()
    output = Output(json_wanted=False, stdout=stream, environ={})
    output.document({"a": 1})
    output.record({"a": 1})
    assert stream.getvalue() == ""


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(environ: dict[str, str]) -> None:
    assert Output(json_wanted=False, stdout=Terminal(), environ=environ).paint("x", "red") == "x"


def test_colour_is_for_terminals_alone() -> None:
    assert Output(json_wanted=False, stdout=Terminal(), environ={}).paint("x", "red") == "\x1b[31mx\x1b[0m"
    assert Output(json_wanted=False, stdout=io.StringIO(), environ={}).paint("x", "red") == "x"


def test_a_log_cannot_steer_the_terminal_but_keeps_its_colours() -> None:
    terminal = Terminal()
    Output(json_wanted=False, stdout=terminal, environ={}).raw_line(
        "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\rgone\x9b"
    )
    assert terminal.getvalue() == "\x1b[31mred\x1b[0mgone\n"


def test_a_log_in_a_file_is_as_it_was_written() -> None:
    stream = io.StringIO()
    Output(json_wanted=False, stdout=stream, environ={}).raw_line("\x1b[31mred")
    assert stream.getvalue() == "\x1b[31mred\n"


def test_names_lose_their_control_characters() -> None:
    assert clean("a\x1b[31mb\x07c\x1b]0;x\x07d\n") == "abcd\n"


def test_columns_are_aligned() -> None:
    stream = io.StringIO()
    Output(json_wanted=False, stdout=stream, environ={}).table(("A", "BB"), [("long", 1), ("x", None)], empty="none")
    assert stream.getvalue() == "A     BB\nlong  1\nx     -\n"


def test_times_are_said_for_people() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert [
        ago(f"2026-11-2{day}T{time}Z", now=now)
        for day, time in (("2", "11:59:58"), ("2", "11:00:00"), ("0", "12:00:00"))
    ] == [
        "2 s ago",
        "1 h ago",
        "2 d ago",
    ]
    assert (ago(None), ago("soon"), duration(0.123), duration(65), duration(None)) == (
        "",
        "soon",
        "0.12 s",
        "1 min 5 s",
        "",
    )
