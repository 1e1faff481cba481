"""Whoever waits is woken by a ring, in a thread and in a coroutine, and misses none."""

from __future__ import annotations

import asyncio
import threading
import time

from highroad.kit.bell import Bell


def test_a_waiting_thread_is_woken() -> None:
    bell = Bell()
    seen = bell.rung
    threading.Timer(0.05, bell.ring).start()
    began = time.monotonic()
    bell.wait(seen, 10)
    assert time.monotonic() - began < 5


def test_a_ring_before_the_wait_is_not_missed() -> None:
    bell = Bell()
    seen = bell.rung
    bell.ring()
    began = time.monotonic()
    bell.wait(seen, 10)
    asyncio.run(bell.wait_async(seen, 10))
    assert time.monotonic() - began < 5


def test_waiting_ends_without_a_ring() -> None:
    bell = Bell()
    bell.wait(bell.rung, 0.01)
    asyncio.run(bell.wait_async(bell.rung, 0.01))
    assert bell.rung == 0


def test_one_ring_wakes_every_coroutine_on_every_loop() -> None:
    bell = Bell()
    seen, woken = bell.rung, []

    async def wait(name: str) -> None:
        await bell.wait_async(seen, 10)
        woken.append(name)

    async def pair(name: str) -> None:
        await asyncio.gather(wait(f"{name}1"), wait(f"{name}2"))

    threads = [threading.Thread(target=lambda name=name: asyncio.run(pair(name))) for name in "ab"]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(woken) < 4 and time.monotonic() < deadline:
        bell.ring()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert sorted(woken) == ["a1", "a2", "b1", "b2"]


def test_a_loop_that_has_ended_does_not_break_the_ringer() -> None:
    bell = Bell()
    loop = asyncio.new_event_loop()
    task = loop.create_task(bell.wait_async(bell.rung, 10))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.close()
    bell.ring()
    assert bell.rung == 1
