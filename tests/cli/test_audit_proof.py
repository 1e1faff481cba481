"""Checking the audit log at the command line: a file without any installation, or the live log."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.transparency import notes
from tests.cli.conftest import Highroad
from tests.client.canned import Canned
from tests.transparency.logs import KEY, Log, event, log

MADE = log(600)
SOUND = {"sound": True, "origin": "x", "size": 9, "root": "aa", "signed_at": "2026-11-01T00:00:00Z", "events": 9}
REPORT = {**SOUND, "dropped": 0, "checkpoints": 3, "faults": 0, "findings": []}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "audit.jsonl"
    made.write_bytes(b"".join(MADE.lines()))
    return made


def test_a_sound_file_is_found_sound_without_any_installation(highroad: Highroad, file: Path) -> None:
    ran = highroad("audit", "verify", str(file), "--key", str(KEY.public))
    assert ran.code == 0, ran.err
    assert "600 events checked" in ran.out
    assert ran.err == ""


def test_without_a_key_it_says_whom_it_trusted(highroad: Highroad, file: Path) -> None:
    ran = highroad("audit", "verify", str(file))
    assert ran.code == 0
    assert str(KEY.public) in ran.err


def test_a_changed_event_is_named_and_the_exit_code_is_1(highroad: Highroad, file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"seq":300,"id"', b'"seq":300, "id"'))
    ran = highroad("audit", "verify", str(file))
    assert ran.code == 1
    assert "changed" in ran.out
    assert "Event " in ran.out
    assert "Next:" in ran.err


def test_findings_are_json_when_that_is_asked_for(highroad: Highroad, file: Path) -> None:
    content = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(line for line in content if b'"seq":300,' not in line))
    ran = highroad("audit", "verify", str(file), "--json")
    assert ran.code == 1
    assert [(each["kind"], each["seq"]) for each in ran.document["findings"]] == [("dropped", 300)]
    assert ran.problem["code"] == "operation-failed"


def test_another_key_does_not_do(highroad: Highroad, file: Path) -> None:
    ran = highroad("audit", "verify", str(file), "--key", str(notes.new_key(KEY.name).public))
    assert ran.code == 1
    assert "not signed by the log" in ran.out


def test_keys_and_checkpoints_may_be_files(highroad: Highroad, file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY.public}\n")
    (tmp_path / "kept").write_text(MADE.note(450))
    ran = highroad("audit", "verify", str(file), "--key", str(tmp_path / "key"), "--checkpoint", str(tmp_path / "kept"))
    assert ran.code == 0, ran.out
    (tmp_path / "kept").write_text(Log([event(number, other=1) for number in range(1, 451)], [450]).note(450))
    ran = highroad("audit", "verify", str(file), "--checkpoint", str(tmp_path / "kept"))
    assert ran.code == 1


@pytest.mark.parametrize(
    "arguments",
    [("verify", "missing.jsonl"), ("verify", "."), ("verify", "--key", "x"), ("verify", "nothing", "--key", "a+b+c")],
)
def test_what_cannot_be_checked_is_told_with_what_to_do(highroad: Highroad, arguments: tuple[str, ...]) -> None:
    ran = highroad("audit", *arguments)
    assert ran.code == 2
    assert "Next:" in ran.err


def test_a_file_that_is_no_archive_is_told(highroad: Highroad, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,actor\n")
    ran = highroad("audit", "verify", str(tmp_path / "x.csv"))
    assert ran.code == 2
    assert "highroad audit export" in ran.err


def test_the_live_log_is_checked_by_the_installation(highroad: Highroad, signed_in: Canned) -> None:
    signed_in.answer("GET", "/audit/verification", REPORT)
    ran = highroad("audit", "verify")
    assert ran.code == 0, ran.err
    assert "9 events checked" in ran.out


def test_findings_of_the_live_log_are_told(highroad: Highroad, signed_in: Canned) -> None:
    finding = {"kind": "changed", "detail": "Event 7 (evt_7) is not as it was signed.", "line": 12}
    signed_in.answer("GET", "/audit/verification", {**REPORT, "sound": False, "faults": 1, "findings": [finding]})
    ran = highroad("audit", "verify")
    assert ran.code == 1
    assert "Event 7" in ran.out


def test_retention_is_shown_and_chosen(highroad: Highroad, signed_in: Canned) -> None:
    dropped = {"time": "2026-11-01T00:00:00Z", "count": 5, "end": 5, "policy": "Events are kept for 365 days."}
    signed_in.answer("GET", "/audit/retention", {"days": 365, "statements": [dropped]})
    assert "365 days" in highroad("audit", "retention").out
    signed_in.answer("PUT", "/audit/retention", {"days": 730, "statements": []})
    assert "730 days" in highroad("audit", "retention", "--days", "730").out
    assert signed_in.asked("PUT", "/audit/retention")[-1].body == {"days": 730}


def test_a_witness_is_added_listed_and_removed(highroad: Highroad, signed_in: Canned) -> None:
    made = {"id": "wit_1", "kind": "webhook", "address": "https://x.example", "size": 0, "secret": "whsec_x"}
    signed_in.answer("POST", "/audit/witnesses", made)
    assert "whsec_x" in highroad("audit", "witness", "add", "webhook", "https://x.example").out
    signed_in.answer("GET", "/audit/witnesses", {"items": [{**made, "seen_at": None, "error": "503"}]})
    assert "503" in highroad("audit", "witness").out
    signed_in.answer("DELETE", "/audit/witnesses/wit_1", None, status=204)
    assert highroad("audit", "witness", "remove", "wit_1").code == 0
