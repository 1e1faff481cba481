"""Run one command in a sandbox and wait for it: builds, tests, release commands, one-offs.

The command's whole process tree is gone when `run` returns, whatever ended it: it dies with its pid namespace, and
what has none is killed by process group and cgroup.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from highroad.sandbox import cgroups
from highroad.sandbox.model import MIB, Confinement, Ended, EndedBy, Level
from highroad.sandbox.prepare import encode, launcher, prepare

_TICK = 0.1
_SOON = 0.005  # a command that closed its output has mostly ended and can be collected in a moment
_PIECE = 64 * 1024
_LINGER = 1.0  # seconds that output may still come in after the command's end


def never() -> bool:
    """The `cancelled` of a command that nobody can cancel."""
    return False


@dataclass(slots=True)
class _Watched:
    """A running command: its launcher's process (leader of its group), the read end of its output, what it wrote."""

    process: subprocess.Popen[bytes]
    output: int
    written: int = 0
    status: int | None = None
    cpu_seconds: float = 0.0
    resident: int = 0

    def reap(self) -> bool:
        """Collect the process if it has ended; its usage leaves out what ended in its namespace."""
        if self.status is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.process.returncode = self.status  # so that Popen does not wait again
                self.cpu_seconds = usage.ru_utime + usage.ru_stime
                self.resident = usage.ru_maxrss * 1024
        return self.status is not None

    def kill(self) -> None:
        if self.status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def run(
    confinement: Confinement,
    emit: Callable[[bytes], None],
    *,
    level: Level,
    seconds: float,
    output_limit: int | None = None,
    cancelled: Callable[[], bool] = never,
) -> Ended:
    """Run the command; `emit` gets both output streams in pieces as they come.

    It is killed after `seconds`, when it wrote more than `output_limit` bytes, used more than its memory, or
    `cancelled` (asked about ten times a second) answers True. What `emit` or `cancelled` raise ends the command and
    passes through. Raises `CannotStart` when the confinement asks for what does not exist.
    """
    level.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f"{confinement.name}-", dir=level.scratch))
    try:
        orders = prepare(confinement, level, placed=place, standing=False)
        file = place / "orders"
        file.touch(mode=0o600)
        file.write_bytes(encode(orders))
        watched = _start(str(file))
        try:
            by = _watch(watched, emit, deadline=time.monotonic() + seconds, limit=output_limit, cancelled=cancelled)
        finally:
            _end(watched)
        return _ended(watched, by, confinement, level, seconds=seconds, limit=output_limit)
    finally:
        cgroups.remove(confinement.name, level)
        shutil.rmtree(place, ignore_errors=True)


def _start(orders_file: str) -> _Watched:
    read, write = os.pipe()
    try:
        process = subprocess.Popen(
            launcher(orders_file),
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            cwd="/",
            env={},
            start_new_session=True,
        )
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
    os.set_blocking(read, False)
    return _Watched(process, read)


def _watch(
    watched: _Watched,
    emit: Callable[[bytes], None],
    *,
    deadline: float,
    limit: int | None,
    cancelled: Callable[[], bool],
) -> EndedBy:
    poll = select.poll()
    poll.register(watched.output, select.POLLIN)
    asked = 0.0
    lingering: float | None = None
    closed = False
    while True:
        now = time.monotonic()
        if now >= deadline:
            return "time"
        if now - asked >= _TICK:
            if cancelled():
                return "cancel"
            asked = now
        patience = _SOON if closed else min(_TICK, deadline - now)
        piece = _read(watched.output) if poll.poll(patience * 1000) else None
        if piece:
            watched.written += len(piece)
            emit(piece if limit is None else piece[: max(limit - watched.written + len(piece), 0)])
            if limit is not None and watched.written > limit:
                return "output"
            continue
        if piece == b"" and not closed:
            closed = True
            poll.unregister(watched.output)
        if watched.reap():
            lingering = now if lingering is None else lingering
            if closed or now - lingering > _LINGER:  # a child that got away may hold the pipe
                return "itself"


def _read(output: int) -> bytes | None:
    try:
        return os.read(output, _PIECE)
    except BlockingIOError:
        return None


def _end(watched: _Watched) -> None:
    watched.kill()
    while not watched.reap():
        time.sleep(0.002)
    os.close(watched.output)


def _ended(
    watched: _Watched, by: EndedBy, confinement: Confinement, level: Level, *, seconds: float, limit: int | None
) -> Ended:
    code = watched.status if watched.status is not None else -signal.SIGKILL
    code = 128 - code if code < 0 else code
    if by == "itself" and code != 0 and cgroups.out_of_memory(confinement.name, level):
        by = "memory"
    elif by == "itself" and code > 128:
        by = "signal"
    why = {
        "itself": "" if code == 0 else f"exit code {code}",
        "signal": f"ended by {signal_name(code - 128)}",
        "time": f"killed: took longer than {seconds:g} s",
        "output": f"killed: wrote more than {size(limit or 0)} of output",
        "memory": f"killed: used more than {size(confinement.memory or 0)} of memory",
        "cancel": "killed: cancelled",
    }[by]
    exit_code = code if by in ("itself", "signal") else None
    peak = cgroups.peak_memory(confinement.name, level) or watched.resident
    cpu = cgroups.cpu_seconds(confinement.name, level)
    return Ended(exit_code, by, why, peak, watched.cpu_seconds if cpu is None else cpu)


def size(number: int) -> str:
    """`512 MiB`, or bytes where it is less than one."""
    return f"{number / MIB:g} MiB" if number >= MIB else f"{number} bytes"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {128 + number}"
