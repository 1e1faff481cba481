"""A bell that writers ring and followers wait for, in threads and in coroutines: no follower polls in a tight loop.

It carries nothing: a follower that wakes reads its own cursor. Waiting always ends after `timeout`, so a change made by
another process is seen too, only later.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Bell:
    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rung = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def rung(self) -> int:
        """How often it rang. Read it before reading the state, pass it to `wait`, and no ring is missed."""
        return self._rung

    def ring(self) -> None:
        with self._condition:
            self._rung += 1
            self._condition.notify_all()
            waiting, self._waiting = self._waiting, set()
        for loop, flag in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(flag.set)

    def wait(self, seen: int, timeout: float) -> None:
        """Block this thread until the bell rang after `seen`, at most `timeout` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self._rung != seen, timeout)

    async def wait_async(self, seen: int, timeout: float) -> None:  # noqa: ASYNC109 - a deadline of the bell, not a cancel scope
        flag = asyncio.Event()
        entry = (asyncio.get_running_loop(), flag)
        with self._condition:
            if self._rung != seen:
                return
            self._waiting.add(entry)
        try:
            await asyncio.wait_for(flag.wait(), timeout)
        except TimeoutError:
            pass
        finally:
            with self._condition:
                self._waiting.discard(entry)
