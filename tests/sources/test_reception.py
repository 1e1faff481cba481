"""What becomes of a push when things around it fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from highroad.sources.protocol import FLUSH, Push, PushReader, RefUpdate, packet
from highroad.sources.reception import Reception
from highroad.sources.repository import Repository
from tests.sources.developer import PATIENCE, Developer


def prepared(developer: Developer, capabilities: str = "report-status side-band-64k") -> tuple[Push, bytes]:
    """A push of one commit to main, and its pack."""
    commit = developer.commit({"app.py": "1"})
    push = PushReader().feed(packet(f"{'0' * 40} {commit} refs/heads/main\0{capabilities}".encode()) + FLUSH)
    assert push is not None
    pack = developer.home / "pack"
    developer.git("bundle", "create", "--quiet", str(pack), "main")
    return push, b"PACK" + pack.read_bytes().split(b"PACK", 1)[1]


async def nothing(updates: Sequence[RefUpdate]) -> int:
    return len(updates)


def shown(reception: Reception) -> bytes:
    pieces = []
    while not reception.output.empty():
        pieces.append(reception.output.get_nowait() or b"")
    return b"".join(pieces)


def test_a_push_that_cannot_have_its_turn_is_refused_in_time(repository: Repository, developer: Developer) -> None:
    push, pack = prepared(developer)

    async def main() -> bytes:
        lock = asyncio.Lock()
        async with lock:
            reception = Reception(repository, push, lock, seconds=0.5)
            await reception.start()
            await reception.write(pack)
            assert await asyncio.wait_for(reception.complete(nothing), PATIENCE) is None
            assert lock.locked()
        return shown(reception)

    answer = asyncio.run(main())
    assert b"Refused: the push took longer than 0.5 s." in answer
    assert b"ng refs/heads/main" in answer
    assert repository.heads() == {}


def test_a_push_left_in_the_middle_leaves_nothing(repository: Repository, developer: Developer) -> None:
    push, pack = prepared(developer)

    async def main() -> None:
        reception = Reception(repository, push, asyncio.Lock(), seconds=PATIENCE)
        await reception.start()
        await reception.write(pack[:-20])
        await reception.abandon()

    asyncio.run(main())
    assert repository.heads() == {}
    assert sorted(path.name for path in (repository.path / "objects").rglob("*")) == ["info", "pack"]


def test_a_client_without_a_side_band_gets_the_plain_report(repository: Repository, developer: Developer) -> None:
    push, pack = prepared(developer, "report-status")

    async def main() -> bytes:
        reception = Reception(repository, push, asyncio.Lock(), seconds=PATIENCE)
        await reception.start()
        await reception.write(pack)
        assert await reception.complete(nothing) == 1
        return shown(reception)

    assert asyncio.run(main()) == packet(b"unpack ok\n") + packet(b"ok refs/heads/main\n") + FLUSH


def test_the_next_push_has_its_turn_even_when_recording_fails(repository: Repository, developer: Developer) -> None:
    push, pack = prepared(developer)

    async def failing(updates: Sequence[RefUpdate]) -> None:
        raise OSError("the database is gone")

    async def main() -> None:
        lock = asyncio.Lock()
        reception = Reception(repository, push, lock, seconds=PATIENCE)
        await reception.start()
        await reception.write(pack)
        with pytest.raises(OSError, match="the database is gone"):
            await reception.complete(failing)
        assert not lock.locked()

    asyncio.run(main())
    assert list(repository.heads()) == ["main"]


def test_what_git_accepted_before_it_died_is_recorded_all_the_same(
    repository: Repository, developer: Developer
) -> None:
    push, pack = prepared(developer, "side-band-64k")  # without report-status git ends without a report, as when killed

    async def main() -> int | None:
        reception = Reception(repository, push, asyncio.Lock(), seconds=PATIENCE)
        await reception.start()
        await reception.write(pack)
        return await reception.complete(nothing)

    assert asyncio.run(main()) == 1
    assert list(repository.heads()) == ["main"]
