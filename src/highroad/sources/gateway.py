"""Git's smart HTTP protocol in front of the real git: fetch, push, and a push that stays open while its run goes on.

An ASGI application that the composition root mounts at `/git`; it speaks gitprotocol-http(5) and starts git itself
instead of `git http-backend`, which saves a process and lets it read what git answers. Who may do what, and what a
push sets off, is decided by a `Gate`.

A push that git accepted and nobody recorded (the control plane died in between) is found by comparing
`Repository.heads()` with the recorded heads when the control plane starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from highroad.errors import HighroadError, Malformed, Unavailable
from highroad.sources import response
from highroad.sources.body import IDLE_SECONDS, Body, BodyTooLarge, BodyTooSlow, Disconnected, Receive
from highroad.sources.inspection import misplaced_refs
from highroad.sources.protocol import FLUSH, KEEPALIVE, Push, PushReader, RefUpdate, packet, progress, refusal
from highroad.sources.reception import Reception
from highroad.sources.repository import Repository
from highroad.sources.request import Request, Scope
from highroad.sources.response import Send, Watch

A = TypeVar("A")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_FETCH_LIMIT = 10 * 1024 * 1024  # bytes of a fetch's wants and haves; as GIT_HTTP_MAX_REQUEST_BUFFER
_KEEPALIVE_SECONDS = 15.0
_DETACHED = "Highroad is restarting; the run goes on: `highroad status` shows it."
_RESULT = "application/x-git-receive-pack-result"


@dataclass(frozen=True, slots=True)
class Opened(Generic[A]):
    """A repository that somebody may use: `actor` is the gate's own, handed back to it with the push. `whose` names
    the person or program, to share the turns fairly."""

    repository: Repository
    service_id: str
    actor: A
    whose: str = ""


class Gate(Protocol[A]):
    """What the gateway asks the rest of Highroad."""

    async def authorize(self, project: str, service: str, token: str | None, *, write: bool) -> Opened[A]:
        """Open a service's repository for whoever holds `token` (None: nobody said who they are).

        Raises `HighroadError`s: `Unauthenticated` makes git ask for a password, `NotFound`, `Forbidden`, ...
        """

    async def received(self, opened: Opened[A], updates: Sequence[RefUpdate]) -> AsyncIterator[str]:
        """Record what git has just accepted, then return the lines to show, until the run ends.

        Never cancelled because a client leaves. Awaited under the repository's lock, so it records and does not wait
        for the run; the iterator does, and is closed when the client leaves. A `HighroadError` of either is shown.
        """


class GitBusy(Unavailable):
    code = "git-busy"
    title = "Too many git requests at once"


class Unrecorded(HighroadError):
    code = "push-not-followed"
    title = "The push is stored, but its run cannot be shown"


class Gateway(Generic[A]):
    """`push_limit` in bytes after unpacking; `push_seconds` for upload and git together. `most` pushes and fetches go
    on at once, `share` of them of one person, not counting pushes that only watch their run; others wait
    `turn_seconds`. Whoever sends nothing for `idle_seconds` is no longer waited for.

    A person's share is taken before the request is read, a turn only once it says what is wanted: clients that begin a
    request and fall silent are in nobody's way but their own.
    """

    def __init__(
        self,
        gate: Gate[A],
        *,
        push_limit: int,
        push_seconds: float,
        most: int = 8,
        share: int = 2,
        turn_seconds: float = 30.0,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._gate = gate
        self._push_limit = push_limit
        self._seconds = push_seconds
        self._turn_seconds = turn_seconds
        self._idle_seconds = idle_seconds
        self._turns = asyncio.Semaphore(most)
        self._share = share
        self._shares: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._locks: weakref.WeakValueDictionary[Path, asyncio.Lock] = weakref.WeakValueDictionary()
        self._detached = asyncio.Event()
        self._going: set[asyncio.Task[Any]] = set()

    def detach(self) -> None:
        """End every open push in good order, with a line that says so; the runs go on. For just before a shutdown."""
        self._detached.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._serve(Request(scope), receive, send)
        except Disconnected:
            return
        except HighroadError as error:
            await response.tell(send, error)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        project, service, rest = request.names()
        git_service = request.service(rest)
        write = git_service == "git-receive-pack"
        if rest == "/info/refs":
            request.require("GET")
            opened = await self._gate.authorize(project, service, request.token(), write=write)
            await self._advertise(opened.repository, git_service, request, send)
            return
        request.require("POST")
        request.require_type(f"application/x-{git_service}-request")
        opened = await self._gate.authorize(project, service, request.token(), write=write)
        limit = self._push_limit if write else _FETCH_LIMIT
        async with contextlib.AsyncExitStack() as turn:
            share = self._shares.setdefault(opened.whose, asyncio.Semaphore(self._share))
            await turn.enter_async_context(self._turn(share))
            encoding = request.header("content-encoding").lower()
            body = Body(receive, encoding, limit=limit, seconds=self._seconds, idle=self._idle_seconds)
            if write:
                await self._push(opened, body, turn, receive, send)
            else:
                wants = await body.whole()
                await turn.enter_async_context(self._turn(self._turns))
                await self._fetch(opened.repository, wants, request, receive, send)

    async def _advertise(self, repository: Repository, service: str, request: Request, send: Send) -> None:
        """The refs, or for protocol 2 what this git can do. A push speaks version 0 in any case."""
        version = request.protocol() if service == "git-upload-pack" else {}
        arguments = (service.removeprefix("git-"), "--stateless-rpc", "--advertise-refs", str(repository.path))
        async with self._turn(self._turns):
            advertised = await asyncio.to_thread(lambda: repository.git.run(*arguments, extra=version))
        speaks_2 = "version=2" in version.get("GIT_PROTOCOL", "").split(":")
        banner = b"" if speaks_2 else packet(b"# service=%s\n" % service.encode()) + FLUSH
        await response.start(send, f"application/x-{service}-advertisement")
        await response.end(send, banner + advertised)

    async def _fetch(
        self, repository: Repository, wants: bytes, request: Request, receive: Receive, send: Send
    ) -> None:
        git = repository.git
        async with Watch(receive) as gone:
            process = await asyncio.create_subprocess_exec(
                *(git.program, "upload-pack", "--stateless-rpc", str(repository.path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=repository.path,
                env=git.environment(request.protocol()),
                start_new_session=True,
            )
            answering = self._spawn(_answer_fetch(process, wants, send))
            await asyncio.wait({answering, gone}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                process.terminate()  # and pack-objects with it: its output has nowhere to go
                answering.cancel()
            await asyncio.wait({answering})
            if await process.wait() > 0:
                _log.warning("git upload-pack ended with %s", process.returncode)
            if not answering.cancelled():
                answering.result()

    async def _push(
        self, opened: Opened[A], body: Body, turn: contextlib.AsyncExitStack, receive: Receive, send: Send
    ) -> None:
        reader = PushReader()
        pieces = body.pieces()
        push = await _commands(reader, pieces)
        verdict = misplaced_refs(push.updates)
        if not push.updates or not verdict.accepted:
            await body.drain()
            await response.start(send, _RESULT)
            # Before a large pack git sends an empty push, to be asked for its password: the answer to that is empty.
            await response.end(send, refusal(push, verdict.reason, verdict.lines) if push.updates else b"")
            return
        await turn.enter_async_context(self._turn(self._turns))
        lock = self._locks.setdefault(opened.repository.path, asyncio.Lock())
        reception = Reception(opened.repository, push, lock, seconds=self._seconds)
        await reception.start()
        if not await self._feed(reception, reader.rest(), pieces, body, push, send):
            return
        # A task of its own: from here on, a client that leaves does not keep the change from being recorded.
        completing = self._spawn(self._complete(reception, opened, turn.pop_all()))
        await self._relay(reception, completing, push, receive, send)

    async def _feed(
        self,
        reception: Reception,
        start: bytes,
        pieces: AsyncIterator[bytes],
        body: Body,
        push: Push,
        send: Send,
    ) -> bool:
        """Hand git the pack, which begins with `start`. False when the push ended here, with its answer given."""
        whole = abandoned = False
        try:
            await reception.write(start)
            async for piece in pieces:
                await reception.write(piece)
            whole = True
        except (BodyTooLarge, BodyTooSlow) as error:
            await reception.abandon()
            abandoned = True
            with contextlib.suppress(BodyTooSlow):
                await body.drain()
            await response.start(send, _RESULT)
            lines = (f"Refused: {error.detail}", f"Next: {error.next_step}")
            await response.end(send, refusal(push, error.title.lower(), lines))
        finally:
            if not whole and not abandoned:
                await asyncio.shield(self._spawn(reception.abandon()))
        return whole

    async def _complete(
        self, reception: Reception, opened: Opened[A], turn: contextlib.AsyncExitStack
    ) -> AsyncIterator[str] | None:
        async with turn:
            return await reception.complete(lambda updates: self._gate.received(opened, updates))

    async def _relay(
        self,
        reception: Reception,
        completing: asyncio.Task[AsyncIterator[str] | None],
        push: Push,
        receive: Receive,
        send: Send,
    ) -> None:
        """Git's answer as it comes, then the lines of the run, then the end. Stops early when the client leaves."""
        await response.start(send, _RESULT)
        async with Watch(receive) as gone:
            while (piece := await response.first(self._spawn(reception.output.get()), gone)) is not None:
                await response.piece(send, piece)
            if gone.done():
                completing.add_done_callback(self._close_unwatched)
                return
            await asyncio.wait({completing})
            if error := completing.exception():
                await response.piece(send, _told(error, push))
            elif lines := completing.result():
                await self._show(lines, push, gone, send)
            await response.end(send, FLUSH if push.has_bands else b"")

    async def _show(self, lines: AsyncIterator[str], push: Push, gone: asyncio.Task[None], send: Send) -> None:
        """The lines of the run as `remote:` lines, until it ends, the client leaves or Highroad shuts down."""
        detached = self._spawn(self._detached.wait())
        following: asyncio.Task[str | None] | None = None
        try:
            while push.has_bands:
                following = following or self._spawn(_next(lines))
                waited: set[asyncio.Task[Any]] = {following, gone, detached}
                await asyncio.wait(waited, timeout=_KEEPALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    return
                if following.done():
                    if error := following.exception():
                        await response.piece(send, _told(error, push))
                        return
                    if (line := following.result()) is None:
                        return
                    following = None
                    await response.piece(send, progress([line]))
                elif detached.done():
                    await response.piece(send, progress([_DETACHED]))
                    return
                else:
                    await response.piece(send, KEEPALIVE)
        except asyncio.CancelledError:  # the server's patience with open requests has ended: this is the last moment
            await response.end(send, progress([_DETACHED]) + FLUSH)
            raise
        finally:
            detached.cancel()
            await asyncio.shield(self._spawn(_close(lines, following)))

    def _close_unwatched(self, completing: asyncio.Task[AsyncIterator[str] | None]) -> None:
        """The client left before the change was recorded. It is by now, and nobody reads its lines."""
        if completing.cancelled():
            return
        if error := completing.exception():
            _log.error("a push could not be recorded", exc_info=error)
        elif lines := completing.result():
            self._spawn(_close(lines, None))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that is kept until it ends (the event loop itself holds tasks weakly)."""
        task = asyncio.create_task(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        return task

    @contextlib.asynccontextmanager
    async def _turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        """One of `turns`, in the order of asking."""
        try:
            await asyncio.wait_for(turns.acquire(), self._turn_seconds)
        except TimeoutError as error:
            raise GitBusy("Other pushes and fetches are going on.", next_step="Try again in a minute.") from error
        try:
            yield
        finally:
            turns.release()


async def _commands(reader: PushReader, pieces: AsyncIterator[bytes]) -> Push:
    async for piece in pieces:
        if (push := reader.feed(piece)) is not None:
            return push
    raise Malformed("The push ended before it began.", next_step="Push again.")


async def _answer_fetch(process: asyncio.subprocess.Process, wants: bytes, send: Send) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    words = asyncio.create_task(process.stderr.read())
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # git says in its answer why it read no further
        process.stdin.write(wants)
        await process.stdin.drain()
    process.stdin.close()
    await response.start(send, "application/x-git-upload-pack-result")
    while data := await process.stdout.read(65536):
        await response.piece(send, data)
    await response.end(send)
    if said := await words:
        _log.warning("git upload-pack: %s", said.decode(errors="replace").strip())


async def _next(lines: AsyncIterator[str]) -> str | None:
    return await anext(lines, None)


async def _close(lines: AsyncIterator[str], following: asyncio.Task[str | None] | None) -> None:
    """Close an iterator that may be in the middle of finding its next line."""
    if following is not None and not following.done():
        following.cancel()
        await asyncio.wait({following})
    close = getattr(lines, "aclose", None)
    if close is not None:
        await close()


def _told(error: BaseException, push: Push) -> bytes:
    """What the developer reads when the change could not be recorded or followed; what is ours to mend is logged."""
    if not push.has_bands:
        return b""
    if not isinstance(error, HighroadError):
        _log.error("a push could not be followed", exc_info=error)
        error = Unrecorded("Git has the commit.", next_step="See `highroad status`; `highroad deploy` runs it again.")
    return progress([f"{error.title}: {error.detail}", f"Next: {error.next_step}"])
