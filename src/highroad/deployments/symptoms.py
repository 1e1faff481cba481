"""What an instance that does not come up suffers from, by its last lines and its command. Pure; `waiting` asks, and
says its own advice when nothing here fits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from highroad.workload.model import Build, Process

_NOT_FOUND = re.compile(
    r"(?:^|[\s/])(?:sh|bash|dash|env): (?:(?:line )?\d+: )?(?:exec: )?[‘'\"]?([\w@./+-]+)[’'\"]?: "
    r"(?:(?:command )?not found|No such file or directory)"
)
_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?|Cannot find (?:module|package) '([^'./][^']*)'")
_TAKEN = re.compile(r"address already in use|EADDRINUSE|Port \d+ is (?:already )?in use|listen EACCES", re.IGNORECASE)
_REFUSED = re.compile(r"Permission denied|Operation not permitted|EACCES|EPERM")
_BINDING = re.compile(r"bind|listen|socket|port\b", re.IGNORECASE)
_PORT_IN_LINE = re.compile(r"(?:\bport:? |:|', ?)(\d{2,5})\b", re.IGNORECASE)
_PORT_IN_COMMAND = re.compile(
    r"(?:--?(?:port|http-port|server\.port)[ =]|\s-p ?|(?:--bind|-b|--listen|--host|--address)[ =]?\S*:"
    r"|\bhttp\.server |\brunserver (?:\S+:)?|\bPORT=)(\d{2,5})\b"
)
_MANIFESTS = {"Pipfile.lock": "Pipfile", "uv.lock": "pyproject.toml"}


def advice(process: Process, build: Build, lines: Sequence[str]) -> str | None:
    """What to do about the cause that shows, or None. `lines` are the last ones that the instance wrote."""
    return _missing(build, lines) or (_fixed_port(process, lines) if process.http else None)


def _missing(build: Build, lines: Sequence[str]) -> str | None:
    for line in reversed(lines):
        if found := _NOT_FOUND.search(line):
            return f"`{found[1]}` is not installed in the build: {_where(build)}"
        if found := _NO_MODULE.search(line):
            return f"The module {found[1] or found[2]} is not in the build: {_where(build)}, or correct its name."
    return None


def _where(build: Build) -> str:
    manifest = _manifest(build)
    return f"add it to {manifest}" if manifest else "correct the command, or install it on the machine of Highroad"


def _manifest(build: Build) -> str | None:
    if build.language == "python":
        return _MANIFESTS.get(build.lock_file or "", build.lock_file or "requirements.txt")
    return {"node": "package.json", "ruby": "the Gemfile"}.get(build.language)


def _fixed_port(process: Process, lines: Sequence[str]) -> str | None:
    """An app that listens on a port of its own choice: another's, one that it may not bind, or simply not `$PORT`."""
    written = (
        None if "$PORT" in process.command or "${PORT" in process.command else _PORT_IN_COMMAND.search(process.command)
    )
    telling = next((line for line in reversed(lines) if _TAKEN.search(line)), None) or next(
        (line for line in reversed(lines) if _REFUSED.search(line) and _BINDING.search(line)), None
    )
    if written is None and telling is None:
        return None
    named = written or _PORT_IN_LINE.search(telling or "")
    port = named[1] if named else "a fixed port"
    return f"Listen on $PORT, not on {port}: every instance gets a port of its own, in the variable PORT."
