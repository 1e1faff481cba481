"""One `git receive-pack` at work for one push: fed, judged, read, and its accepted updates recorded.

The gateway drives it. Git's answer comes out of `output` packet by packet, except for its last packet, the flush: the
gateway writes that itself when the run that the push caused has ended. So the push stays open without a git process.

Order within one repository: the lock is taken before git may move a ref and given back once the move is recorded, so
moves are recorded in the order in which they happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from highroad.errors import HighroadError
from highroad.sources.inspection import Verdict, inspect
from highroad.sources.protocol import DATA, FLUSH, PROGRESS, Push, RefUpdate, Report, Splitter, answer, progress
from highroad.sources.repository import Repository

T = TypeVar("T")

_log = logging.getLogger(__name__)
_GRACE = 5.0  # seconds that git has to clean up behind itself before it is killed
_FINDING = re.compile(rb"object [0-9a-f]{40}: (\w+): ")
_PATH_FINDINGS = frozenset({"hasDot", "hasDotdot", "hasDotgit", "fullPathname", "emptyName"})
_HINTS = {
    "shallow update not allowed": (
        "Next: this clone is shallow, and Highroad lacks the commits it was cut from. Run `git fetch --unshallow`",
        "and push again (in a GitHub workflow: `fetch-depth: 0` for actions/checkout).",
    ),
}


class Reception:
    """`seconds` bounds everything from `start` to the end of git, not the run that follows."""

    def __init__(self, repository: Repository, push: Push, lock: asyncio.Lock, *, seconds: float) -> None:
        self.output: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.report = Report()
        self._repository = repository
        self._push = push
        self._lock = lock
        self._locked = False
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._seconds = seconds
        self._explained = False

    async def start(self) -> None:
        """Start git and give it the commands. The two pipes are how its hook asks for the verdict."""
        ask_end, ask = os.pipe()
        answer_end, answer = os.pipe()
        git = self._repository.git
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(git.program, "receive-pack", "--stateless-rpc", str(self._repository.path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self._repository.path,
                env=git.environment({"HIGHROAD_ASK": str(ask), "HIGHROAD_ANSWER": str(answer_end)}),
                pass_fds=(ask, answer_end),
                start_new_session=True,
            )
        except OSError:
            os.close(ask_end)
            os.close(answer)
            raise
        finally:
            os.close(ask)
            os.close(answer_end)
        self._judge = asyncio.create_task(self._answer(ask_end, answer))
        self._reader = asyncio.create_task(self._read())
        self._words = asyncio.create_task(_stream(self._process.stderr).read())
        await self.write(self._push.head)

    async def write(self, data: bytes) -> None:
        """Hand git a piece of the pack. A git that has already refused the push reads no further; that is no error."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):  # `complete` tells of the last
            self._process.stdin.write(data)
            async with asyncio.timeout_at(self._deadline):
                await self._process.stdin.drain()

    async def abandon(self) -> None:
        """End git before it has the whole pack: it accepts nothing and removes its quarantine."""
        self._close()
        await self._stop()
        await asyncio.gather(self._judge, self._reader, self._words)
        self._unlock()

    async def complete(self, record: Callable[[Sequence[RefUpdate]], Awaitable[T]]) -> T | None:
        """Wait for git, then `record` what it accepted. None when it accepted nothing. `output` ends in any case."""
        try:
            self._close()
            in_time = await self._wait()
            accepted = await self._accepted()
            if not in_time and not accepted:
                self._say(
                    f"Refused: the push took longer than {self._seconds:g} s.",
                    "Next: push again; if the repository is large, push an older commit first.",
                )
            if not self.report.complete:
                self._report_in_gits_place(accepted)
            if not accepted:
                return None
            if any(update.branch and not (update.old and update.new) for update in accepted):
                await asyncio.to_thread(self._repository.settle_head)
            return await record(accepted)
        finally:
            self._unlock()
            self.output.put_nowait(None)

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _unlock(self) -> None:
        if self._locked:
            self._locked = False
            self._lock.release()

    async def _wait(self) -> bool:
        """True when git ended by itself in its time. One that is stopped may still have moved refs."""
        in_time = True
        try:
            async with asyncio.timeout_at(self._deadline):
                await asyncio.wait([self._reader, self._judge])
                await self._process.wait()
        except TimeoutError:
            in_time = False
            if not self._locked:
                self._judge.cancel()  # closes the pipe that git's hook waits on, which refuses the push
            await self._stop()
        await asyncio.wait([self._reader, self._judge])
        self._reader.result()
        if not self._judge.cancelled():
            self._judge.result()
        words = await self._words
        if self._process.returncode or words:
            _log.warning(
                "git receive-pack ended with %s: %s", self._process.returncode, words.decode(errors="replace").strip()
            )
        return in_time

    async def _stop(self) -> None:
        """End git and its children; first in a way that lets them remove their quarantine."""
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _GRACE)
                return

    async def _accepted(self) -> list[RefUpdate]:
        """What git took: by its report, or, when it died before reporting, by where the refs are now."""
        moved = [update for update in self._push.updates if update.old != update.new]
        if self.report.complete:
            return [update for update in moved if update.ref in self.report.taken]
        if not self._locked:  # git was never allowed to move a ref
            return []
        refs = [await asyncio.to_thread(self._repository.ref, update.ref) for update in moved]
        return [update for update, now in zip(moved, refs, strict=True) if now == update.new]

    def _report_in_gits_place(self, accepted: Sequence[RefUpdate]) -> None:
        taken = {update.ref for update in accepted}
        reasons = {update.ref: "git was stopped" for update in self._push.updates if update.ref not in taken}
        whole = answer(self._push, reasons)
        self.output.put_nowait(whole.removesuffix(FLUSH) if self._push.has_bands else whole)

    def _say(self, *lines: str) -> None:
        if lines and self._push.has_bands:
            self.output.put_nowait(progress(lines))

    async def _read(self) -> None:
        """Git's answer into `output`; its report is read along the way."""
        stdout = _stream(self._process.stdout)
        splitter = Splitter()
        while data := await stdout.read(65536):
            if not self._push.has_bands:
                self.report.feed(data)
                self.output.put_nowait(data)
                continue
            splitter.feed(data)
            while (packet := splitter.take()) is not None:
                self._forward(packet)

    def _forward(self, packet: bytes) -> None:
        if packet == FLUSH:
            return
        if packet[4] == DATA:
            self.report.feed(packet[5:])
            for reason in self.report.reasons.values():
                self._explain(_HINTS.get(reason, ()))
        self.output.put_nowait(packet)
        if packet[4] == PROGRESS and (found := _FINDING.search(packet)):
            self._explain(_explanation(found[1].decode()))

    def _explain(self, lines: Sequence[str]) -> None:
        if lines and not self._explained:
            self._explained = True
            self._say(*lines)

    async def _answer(self, ask_end: int, answer: int) -> None:
        """Answer git's hook. Nothing is written when the hook never asks: then git has refused the push by itself."""
        try:
            question = await _line(ask_end)
            if not question:
                return
            directory = os.fsdecode(question.rstrip(b"\n"))
            verdict = await asyncio.to_thread(self._inspect, Path(directory) if directory else None)
            self._say(*verdict.lines)
            if not verdict.accepted:
                os.write(answer, b"no\n")
                return
            await self._lock.acquire()
            self._locked = True
            with contextlib.suppress(BrokenPipeError):  # git was stopped in the meantime
                os.write(answer, b"yes\n")
        finally:
            os.close(ask_end)
            os.close(answer)

    def _inspect(self, quarantine: Path | None) -> Verdict:
        try:
            return inspect(self._repository, self._push.updates, quarantine)
        except HighroadError as error:
            _log.warning("a push could not be inspected: %s", error.detail)
            return Verdict(error.title, (f"Refused: {error.detail}", f"Next: {error.next_step}"))


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    assert stream is not None, "the process was started with pipes"
    return stream


def _explanation(finding: str) -> tuple[str, ...]:
    """What one of git's findings (git-fsck(1), "FSCK MESSAGES") means to the developer."""
    if finding in _PATH_FINDINGS:
        return (
            f"Refused: a commit holds a name that would write into `.git` or out of the repository ({finding}).",
            "Next: remove it from every commit you push (`git filter-repo --invert-paths --path NAME`).",
        )
    if finding.startswith("gitmodules"):
        return (
            f"Refused: `.gitmodules` holds a value that could run a command where it is cloned ({finding}).",
            "Next: give each submodule a plain https:// address and a plain path, amend the commit and push again.",
        )
    return (
        f"Refused: an object is not as git writes it ({finding}).",
        "Next: run `git fsck` in your clone; a fresh clone or `git filter-repo` mends most histories.",
    )


async def _line(descriptor: int) -> bytes:
    """One line from a pipe, empty when its other end closes first. Shorter than PIPE_BUF, it comes whole."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, 8192)
