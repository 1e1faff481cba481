"""The journal: whole lines, once each, whoever writes and whoever dies."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from highroad.errors import Temporary
from highroad.kit.bell import Bell
from highroad.kit.disguises import Mask
from highroad.pipelines.journal import LONGEST_LINE, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal", Bell())


def texts(journal: Journal) -> list[str]:
    return [line.text for line in journal.read("run_1")[0]]


def test_reading_goes_on_where_it_ended(journal: Journal) -> None:
    journal.write("run_1", "build", "one\ntwo")
    lines, offset = journal.read("run_1")
    assert [(line.task, line.text) for line in lines] == [("build", "one"), ("build", "two")]
    journal.write("run_1", "test", "three")
    assert [line.text for line in journal.read("run_1", offset)[0]] == ["three"]


def test_a_subject_that_said_nothing_has_no_lines(journal: Journal) -> None:
    assert journal.read("run_none") == ([], 0)


def test_a_partial_last_line_is_skipped_and_the_next_one_whole(journal: Journal, tmp_path: Path) -> None:
    journal.write("run_1", "build", "before")
    with (tmp_path / "journal" / "run_1.jsonl").open("a") as file:
        file.write('{"at": "2026')
    assert texts(journal) == ["before"]
    journal.write("run_1", "build", "after")
    assert texts(journal) == ["before", "after"]


def test_writers_at_once_do_not_mingle(journal: Journal) -> None:
    def write(name: str) -> None:
        for number in range(50):
            journal.write("run_1", "build", f"{name} {number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = texts(journal)
    assert len(lines) == 200
    assert [line for line in lines if line.startswith("a")] == [f"a {number}" for number in range(50)]


def test_output_is_cut_into_lines_without_colours_and_progress(journal: Journal) -> None:
    feed = journal.lines("run_1", "build", indent="")
    for chunk in (b"\x1b[31mre", b"d\x1b[0m\n10%\r50%\r100%\r\nlast", b" words"):
        feed.feed(chunk)
    feed.close()
    assert texts(journal) == ["red", "100%", "last words"]


def test_what_is_not_text_is_replaced(journal: Journal) -> None:
    feed = journal.lines("run_1", "build", indent="")
    feed.feed(b"caf\xe9\n")
    assert texts(journal) == ["caf\ufffd"]


def test_a_line_without_end_is_cut(journal: Journal) -> None:
    feed = journal.lines("run_1", "build", indent="")
    feed.feed(b"x" * (LONGEST_LINE * 2))
    assert [len(text) for text in texts(journal)] == [LONGEST_LINE]


def test_a_bell_rings_for_every_line(journal: Journal) -> None:
    seen = journal.bell.rung
    journal.write("run_1", "build", "one")
    assert journal.bell.rung > seen


def test_a_forgotten_journal_is_gone(journal: Journal) -> None:
    journal.write("run_1", "build", "one")
    journal.forget("run_1")
    journal.forget("run_1")
    assert texts(journal) == []


def test_secrets_are_masked_before_a_line_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Bell(), lambda subject: Mask(["hunter2"] if subject == "run_1" else []))
    for subject in ("run_1", "run_2"):
        feed = journal.lines(subject, "build", indent="")
        for piece in (b"a hun", b"ter2\nb hun\x1b[1mter2\x1b[0m\n"):
            feed.feed(piece)
    assert [line.text for line in journal.read("run_1")[0]] == ["a ***", "b ***"]
    assert [line.text for line in journal.read("run_2")[0]] == ["a hunter2", "b hunter2"]


def test_what_cannot_be_masked_is_not_said(tmp_path: Path) -> None:
    def away(_subject: str) -> Mask:
        raise Temporary("the database is away")

    journal = Journal(tmp_path, Bell(), away)
    journal.write("run_1", "build", "hunter2")
    assert journal.read("run_1")[0] == []
