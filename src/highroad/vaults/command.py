"""A program as an external store: for everything that has a command line and no module of its own here.

Which programs there are is for the operator of the machine to say, and for nobody else: the executable files of one
directory that only the user of Highroad can enter (`Settings.vault_commands`). A store names one of them, so that
whoever may connect stores can have nothing else run.

It runs without a shell and without arguments, as the user of Highroad, and gets one line of JSON on stdin:
`{"path": ..., "version": ...}`. It prints a JSON object of texts and ends with 0. Anything else is a failure; exit code
75 (EX_TEMPFAIL) means that trying again can help.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from highroad.errors import FieldError, Invalid
from highroad.vaults.contract import LARGEST_ANSWER, SECONDS, VaultRefused, VaultUnavailable, check_path

TRY_AGAIN = 75
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class BadVaultCommand(Invalid):
    code = "bad-vault-command"
    title = "This is no command"


def check_command(name: str) -> str:
    """The plain name of a command, whether there is one or not. Raises `BadVaultCommand`."""
    if not _NAME.fullmatch(name):
        raise BadVaultCommand(
            "A command is the plain name of a program, without path and arguments.",
            next_step="Have the operator put the program into vault-commands in the data directory, and give its name.",
            errors=[FieldError("/command", "is no plain name")],
        )
    return name


def program_of(directory: Path, name: str) -> Path:
    """The program that `name` stands for. Raises `BadVaultCommand`, also when somebody else could have put it there."""
    program = directory / check_command(name)
    try:
        room, file = directory.lstat(), program.stat()
    except OSError as error:
        raise _unusable(name, error.strerror or "it is not there", directory) from error
    if not stat.S_ISDIR(room.st_mode) or room.st_uid != os.geteuid() or room.st_mode & 0o077:
        raise _unusable(name, f"{directory.name} has to be a directory of Highroad's user, mode 0700", directory)
    if not stat.S_ISREG(file.st_mode) or not os.access(program, os.X_OK):
        raise _unusable(name, "it is no executable file", directory)
    if file.st_uid not in (0, os.geteuid()) or file.st_mode & 0o022:
        raise _unusable(name, "others may write it", directory)
    return program


def _unusable(name: str, why: str, directory: Path) -> BadVaultCommand:
    return BadVaultCommand(
        f"There is no command {name} that can be run: {why}.",
        next_step=f"Have the operator put an executable file {name} into {directory}, mode 0700.",
        errors=[FieldError("/command", why)],
    )


class CommandVault:
    def __init__(self, directory: Path, name: str, *, environ: Mapping[str, str], seconds: float = SECONDS) -> None:
        """The program `name` of `directory`; `environ` is its whole environment. Raises `BadVaultCommand`."""
        self._program = program_of(directory, name)
        self._environ = dict(environ)
        self._seconds = seconds

    def read(self, path: str, version: int | None) -> Mapping[str, str]:
        check_path(path)
        question = json.dumps({"path": path, "version": version}) + "\n"
        name = self._program.name
        try:
            done = subprocess.run(
                [self._program],
                input=question.encode(),
                capture_output=True,
                timeout=self._seconds,
                env=self._environ,
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VaultUnavailable(
                f"{name} took longer than {self._seconds:g} s for {path}.", next_step="Try again."
            ) from None  # it holds what was printed
        except OSError as error:
            raise VaultRefused(
                f"{name} cannot be run: {error.strerror}.", next_step="Have the operator of the machine mend it."
            ) from error
        if done.returncode == TRY_AGAIN:
            raise VaultUnavailable(f"{name} has no answer for {path} now.", next_step="Try again.")
        if done.returncode != 0:
            # What it printed is not repeated: that may be the secret.
            raise VaultRefused(
                f"{name} ended with exit code {done.returncode} for {path}.",
                next_step="Run it by hand as the user of Highroad, and mend what it says.",
            )
        return self._values(done.stdout, path)

    def _values(self, printed: bytes, path: str) -> dict[str, str]:
        try:
            found = json.loads(printed) if len(printed) <= LARGEST_ANSWER else None
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise VaultRefused(
                f"{self._program.name} printed no JSON object of texts for {path}.",
                next_step='Let it print {"key": "value"} and nothing else.',
            )
        return found
