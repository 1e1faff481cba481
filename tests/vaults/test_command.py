"""A program as a store: what it gets, what it has to print, and that its failures give nothing away."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from highroad.vaults.command import BadVaultCommand, CommandVault
from highroad.vaults.contract import BadVaultPath, VaultRefused, VaultUnavailable


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The operator's directory."""
    made = tmp_path / "vault-commands"
    made.mkdir(mode=0o700)
    return made


def put(room: Path, code: str, name: str = "read-secret") -> Path:
    file = room / name
    file.write_text(f"#!{sys.executable}\n{code}\n")
    file.chmod(0o700)
    return file


def program(room: Path, code: str, *, seconds: float = 10.0) -> CommandVault:
    put(room, code)
    return CommandVault(room, "read-secret", environ={"MARK": "yes"}, seconds=seconds)


def test_it_gets_its_question_on_stdin_and_only_the_given_environment(room: Path) -> None:
    code = (
        "import json, os, sys; question = json.loads(sys.stdin.readline()); "
        "print(json.dumps({'asked': question['path'], 'version': str(question['version']), "
        "'mark': os.environ['MARK'], 'home': os.environ.get('HOME', 'none')}))"
    )
    found = program(room, code).read("shop/db; rm -rf $HOME", 3)
    assert found == {"asked": "shop/db; rm -rf $HOME", "version": "3", "mark": "yes", "home": "none"}


def test_a_failure_does_not_repeat_what_was_printed(room: Path) -> None:
    with pytest.raises(VaultRefused, match="exit code 3") as refused:
        program(room, "import sys; print('hunter2'); print('hunter2', file=sys.stderr); sys.exit(3)").read("a", None)
    assert "hunter2" not in f"{refused.value.detail}{refused.value.next_step}{refused.value.__cause__!r}"


def test_exit_code_75_is_a_matter_of_trying_again(room: Path) -> None:
    with pytest.raises(VaultUnavailable):
        program(room, "raise SystemExit(75)").read("a", None)


def test_a_program_that_takes_too_long_is_ended(room: Path) -> None:
    with pytest.raises(VaultUnavailable, match=r"longer than 0\.3 s"):
        program(room, "import time; time.sleep(60)", seconds=0.3).read("a", None)


@pytest.mark.parametrize("printed", ["", "secret", "[]", '{"a": 1}', "null", "{"])
def test_what_is_no_object_of_texts_is_refused(room: Path, printed: str) -> None:
    with pytest.raises(VaultRefused, match="no JSON object"):
        program(room, f"print({printed!r})").read("a", None)


@pytest.mark.parametrize(
    "name", ["", "../read-secret", "/bin/sh", "read-secret --x", ".", "..", ".hidden", "a\0b", "a/b", "missing"]
)
def test_nothing_but_a_program_of_the_operator_is_run(room: Path, name: str) -> None:
    put(room, "print('{}')")
    with pytest.raises(BadVaultCommand):
        CommandVault(room, name, environ={})


def test_a_program_that_others_could_have_put_there_is_not_run(room: Path) -> None:
    file = put(room, "print('{}')")
    for path, mode in ((room, 0o770), (file, 0o722), (file, 0o600)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(BadVaultCommand):
            CommandVault(room, "read-secret", environ={})
        path.chmod(before)
    assert CommandVault(room, "read-secret", environ={}).read("a", None) == {}


def test_a_path_is_checked_before_the_program_sees_it(room: Path) -> None:
    with pytest.raises(BadVaultPath):
        program(room, "print('{}')").read("../x", None)
