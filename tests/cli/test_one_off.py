"""`highroad run`: the exit code of the command is ours."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, Highroad
from tests.client.canned import Canned, event


def running(canned: Canned, end: dict[str, object]) -> None:
    canned.answer("POST", f"{PLACEMENT_PATH}/commands", {"id": "cmd_1", "state": "running"}, 202)
    canned.stream("/commands/cmd_1/log", event("line", {"text": "migrated"}, "1"), event("end", {"id": "cmd_1", **end}))


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_and_the_output_pass_through(signed_in: Canned, highroad: Highroad, code: int) -> None:
    running(signed_in, {"state": "finished", "exit_code": code})
    ran = highroad("run", *SERVICE, "--", "python", "-m", "app.migrate", "--json", "a b")
    assert (ran.code, ran.out) == (code, "migrated\n")
    assert signed_in.requests[0].body == {"command": "python -m app.migrate --json 'a b'"}


def test_one_word_is_a_shell_command_line(signed_in: Canned, highroad: Highroad) -> None:
    running(signed_in, {"state": "finished", "exit_code": 0})
    highroad("run", *SERVICE, "--", "echo $PORT | wc -c")
    assert signed_in.requests[0].body == {"command": "echo $PORT | wc -c"}


def test_as_json_the_output_is_part_of_the_document(signed_in: Canned, highroad: Highroad) -> None:
    running(signed_in, {"state": "finished", "exit_code": 0})
    ran = highroad("run", "--json", *SERVICE, "--", "x")
    assert (ran.document["exit_code"], ran.document["output"]) == (0, ["migrated"])


def test_a_lost_command_is_a_failure(signed_in: Canned, highroad: Highroad) -> None:
    running(signed_in, {"state": "lost", "exit_code": None, "why": "The machine restarted."})
    ran = highroad("run", *SERVICE, "--", "x")
    assert ran.code == 1
    assert "The machine restarted." in ran.err


def test_a_command_is_needed(signed_in: Canned, highroad: Highroad) -> None:
    assert highroad("run", *SERVICE).code == 2
