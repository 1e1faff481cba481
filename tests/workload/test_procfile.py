"""A Procfile names processes, and wrong lines are named all at once."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.workload.procfile import BadProcfile, parse


def test_web_listens_and_others_do_not() -> None:
    web, worker = parse("web: python app.py --port $PORT\n\n# jobs\nworker:   python worker.py  \n").processes
    assert (web.name, web.http, web.health.kind) == ("web", True, "tcp")
    assert (worker.command, worker.http, worker.health.kind) == ("python worker.py", False, "none")


def test_release_is_a_command_and_no_process() -> None:
    procfile = parse("release: ./migrate\nweb: ./serve\n")
    assert procfile.release == "./migrate"
    assert [process.name for process in procfile.processes] == ["web"]


def test_lines_are_remembered_for_reasons() -> None:
    assert parse("# first\nweb: x\r\nclock: y\n").lines == {"web": 2, "clock": 3}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("web python app.py", "Procfile:1: a line is 'name: command'"),
        ("web:\n", "Procfile:1: a line is 'name: command'"),
        ("web: a\nweb: b\n", "Procfile:2: 'web' is here a second time; it is already on line 1"),
        ("my_worker: a", "use 'my-worker'"),
        ("Web: a", "use 'web'"),
        ("web: a\0b", "NUL"),
        ("", "it names no process"),
        ("# nothing\n", "it names no process"),
    ],
)
def test_a_wrong_line_is_named(text: str, detail: str) -> None:
    with pytest.raises(BadProcfile) as caught:
        parse(text)
    assert detail in caught.value.detail


def test_all_wrong_lines_are_named_together() -> None:
    with pytest.raises(BadProcfile) as caught:
        parse("oops\nweb: x\n-x: y\n")
    assert [error.pointer for error in caught.value.errors] == ["Procfile:1", "Procfile:3"]


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadProcfile):
        assert parse(text).lines
