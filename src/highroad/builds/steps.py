"""Run the commands of a build in the sandbox, and turn their output into log lines and their failure into one cause.

A `Bench` belongs to one build: its time, output and cancellation are shared by all its commands. The language modules
call `Bench.run`; `build` and `testing` make the bench.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from highroad.builds.environment import certificates, command_environment, local_paths
from highroad.builds.failures import (
    BuildCancelled,
    BuildOutOfMemory,
    BuildTooLoud,
    diagnose,
    timed_out,
)
from highroad.kit.ids import new_id
from highroad.sandbox import run as sandbox_run
from highroad.sandbox.model import MIB, Confinement, Ended, Level
from highroad.settings import Settings

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_LONGEST_LINE = 16 * 1024
_KEPT_LINES = 400
Emit = Callable[[str], None]


class Runner(Protocol):
    """What `highroad.sandbox.run.run` is; a parameter so that a caller can choose another way of confinement."""

    def __call__(
        self,
        confinement: Confinement,
        emit: Callable[[bytes], None],
        *,
        level: Level,
        seconds: float,
        output_limit: int | None,
        cancelled: Callable[[], bool],
    ) -> Ended: ...


class Lines:
    """Bytes in, whole lines of text out: without escape sequences, cut at 16 KiB; of a progress bar its last state."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._rest = b""
        self.kept: deque[str] = deque(maxlen=_KEPT_LINES)
        self.size = 0

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._line(line)
        if len(self._rest) > _LONGEST_LINE:
            self.flush()

    def flush(self) -> None:
        if self._rest:
            rest, self._rest = self._rest, b""
            self._line(rest)

    def _line(self, line: bytes) -> None:
        shown = line.rstrip(b"\r").rpartition(b"\r")[2][:_LONGEST_LINE]
        text = _ESCAPES.sub(b"", shown).decode("utf-8", "replace").rstrip()
        self.kept.append(text)
        self._emit(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one build may use altogether: `seconds` of time, `output` bytes of log; `memory` bytes and `processes` at
    a time; `scratch` bytes of temporary files (they are memory too)."""

    seconds: float
    memory: int
    output: int
    processes: int = 1024
    scratch: int = 512 * MIB


@dataclass(slots=True, kw_only=True)
class Bench:
    """One build's place to run commands. `uid` and `gid` own what builds write, when Highroad is root.

    Of `settings`, which may hold the operator's credentials, a command gets the registries only when it asks for them:
    the installers do; what a repository or a package brings along is run without.
    """

    level: Level
    bounds: Bounds
    settings: Mapping[str, str]
    emit: Emit
    cancelled: Callable[[], bool]
    runner: Runner = sandbox_run.run
    uid: int | None = None
    gid: int | None = None
    epoch: int = 0
    _started: float = field(default_factory=time.monotonic)
    _printed: int = 0

    def heading(self, text: str) -> None:
        self.emit(f"-----> {text}")

    def note(self, text: str) -> None:
        self.emit(f"       {text}")

    def check(self) -> None:
        """Raise when the build was cancelled or is out of time."""
        if self.cancelled():
            raise BuildCancelled(
                "The build was cancelled.", next_step="Push again, or `highroad deploy` to start it anew."
            )
        if self._left() <= 0:
            raise timed_out("the build", self.bounds.seconds)

    def _left(self) -> float:
        return self.bounds.seconds - (time.monotonic() - self._started)

    def run(
        self,
        argv: Sequence[str],
        *,
        doing: str,
        cwd: Path,
        path: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        readable: Sequence[Path | str] = (),
        writable: Sequence[Path | str] = (),
        visible: bool = True,
        registries: bool = False,
    ) -> tuple[str, ...]:
        """Run a command to its good end and return its last lines, which were also emitted if `visible`.

        `doing` says what for, in the words of an error. Raises `BuildFailed` or one of its kin.
        """
        ended, lines = self.attempt(
            argv,
            doing=doing,
            cwd=cwd,
            path=path,
            env=env,
            readable=readable,
            writable=writable,
            visible=visible,
            registries=registries,
        )
        if ended.exit_code != 0:
            raise diagnose(lines, doing=doing, ended=ended.why or f"exit code {ended.exit_code}")
        return lines

    def attempt(
        self,
        argv: Sequence[str],
        *,
        doing: str,
        cwd: Path,
        path: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        readable: Sequence[Path | str] = (),
        writable: Sequence[Path | str] = (),
        visible: bool = True,
        registries: bool = False,
    ) -> tuple[Ended, tuple[str, ...]]:
        """As `run`, but a command that ends by itself is never an error; only a limit or a cancellation is."""
        self.check()
        lines = Lines(self.note if visible else _nowhere)
        settings = self.settings if registries else certificates(self.settings)
        confinement = Confinement(
            argv=("/bin/sh", "-c", 'umask 022; exec "$@"', "sh", *argv),
            cwd=str(cwd),
            name=new_id("build"),
            env={
                **command_environment(settings, path=path),
                "SOURCE_DATE_EPOCH": str(self.epoch),
                **(env or {}),
            },
            uid=self.uid,
            gid=self.gid,
            readable=tuple(map(str, readable)) + local_paths(settings),
            writable=tuple(map(str, writable)),
            memory=self.bounds.memory,
            processes=self.bounds.processes,
            disk=self.bounds.scratch,
        )
        ended = self.runner(
            confinement,
            lines.feed,
            level=self.level,
            seconds=self._left(),
            output_limit=max(1, self.bounds.output - self._printed),
            cancelled=self.cancelled,
        )
        lines.flush()
        self._printed += lines.size
        self._require_within_limits(ended, doing)
        return ended, tuple(lines.kept)

    def _require_within_limits(self, ended: Ended, doing: str) -> None:
        if ended.by == "cancel":
            self.check()
        if ended.by == "time":
            raise timed_out(doing, self.bounds.seconds)
        what = f"{doing[:1].upper()}{doing[1:]}"
        if ended.by == "memory":
            raise BuildOutOfMemory(
                f"{what} was ended: it used more than {self.bounds.memory // MIB} MiB of memory.",
                next_step="Raise HIGHROAD_BUILD_MEMORY, or make the build smaller (fewer workers, no source maps).",
            )
        if ended.by == "output":
            raise BuildTooLoud(
                f"{what} was ended: the build printed more than {self.bounds.output // 1024} KiB.",
                next_step="Make the command quieter, or raise HIGHROAD_BUILD_OUTPUT.",
            )


def _nowhere(_line: str) -> None:
    """The `emit` of output that is only read for its cause."""


def bounds_from(settings: Settings) -> Bounds:
    return Bounds(seconds=settings.build_seconds, memory=settings.build_memory, output=settings.build_output)


def build_user(settings: Settings) -> int | None:
    """The user that builds run as when Highroad is root: the last one before those of the apps."""
    return settings.first_uid - 1 if os.geteuid() == 0 else None
