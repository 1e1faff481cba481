from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from highroad.builds.cache import DependencyStore, Installed, key_of
from highroad.builds.failures import BuildDiskFull, BuildFailed

KEY = key_of("test", "1", "lock")
DAY = 86400.0


def wait() -> None:
    """Nothing to say while waiting."""


def fill(text: str = "x") -> Callable[[Path], Installed]:
    def install(into: Path) -> Installed:
        (into / "package").write_text(text)
        return Installed(packages=1, detail={"a": "b"})

    return install


@pytest.fixture
def store(tmp_path: Path) -> DependencyStore:
    return DependencyStore(tmp_path / "dependencies")


def test_what_was_installed_once_is_found_again(store: DependencyStore) -> None:
    made, fresh = store.make(KEY, fill(), waiting=wait)
    again, fresh_again = store.make(KEY, lambda into: pytest.fail("installed twice"), waiting=wait)
    assert (fresh, fresh_again) == (True, False)
    assert made == again == store.find(KEY)
    assert (made.packages, made.size, made.detail) == (1, 1, {"a": "b"})


def test_every_part_and_its_place_decides_the_key() -> None:
    keys = {key_of("python", "3", "a", "b"), key_of("python", "3", "ab"), key_of("python", "3", "b", "a")}
    assert len(keys | {key_of("node", "3", "a", "b"), key_of("python", "4", "a", "b")}) == 5


def test_a_failed_installation_leaves_nothing(store: DependencyStore) -> None:
    def fail(into: Path) -> Installed:
        (into / "half").write_text("x")
        raise BuildFailed("no", next_step="x")

    with pytest.raises(BuildFailed):
        store.make(KEY, fail, waiting=wait)
    assert store.find(KEY) is None
    assert list(store.workshop.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(store: DependencyStore) -> None:
    def full(into: Path) -> Installed:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BuildDiskFull, match="disk is full"):
        store.make(KEY, full, waiting=wait)
    assert list(store.workshop.iterdir()) == []


def test_two_builders_of_one_key_install_once(store: DependencyStore) -> None:
    installs: list[int] = []
    inside, waited = threading.Event(), threading.Event()

    def slow(into: Path) -> Installed:
        installs.append(1)
        inside.set()
        assert waited.wait(10)
        return fill()(into)

    first = threading.Thread(target=lambda: store.make(KEY, slow, waiting=wait))
    first.start()
    assert inside.wait(10)
    _, fresh = store.make(KEY, slow, waiting=waited.set)
    first.join(10)
    assert (installs, fresh) == ([1], False)


def test_a_builder_killed_in_the_middle_leaves_nothing_in_the_way(store: DependencyStore) -> None:
    code = (
        "import sys, time; from pathlib import Path; from highroad.builds.cache import DependencyStore\n"
        "def install(into):\n"
        "    (into / 'half').write_text('x'); print('half', flush=True); time.sleep(60)\n"
        "DependencyStore(Path(sys.argv[1])).make(sys.argv[2], install, waiting=lambda: None)"
    )
    source = str(Path(__file__).parents[2] / "src")
    argv = [sys.executable, "-c", code, str(store.root), KEY]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}) as builder:
        assert builder.stdout is not None
        assert builder.stdout.readline() == b"half\n"
        builder.send_signal(signal.SIGKILL)
    assert store.find(KEY) is None
    entry, _ = store.make(KEY, fill(), waiting=wait)
    assert sorted(path.name for path in entry.directory.iterdir()) == ["highroad-entry.json", "package"]
    assert list(store.workshop.iterdir()) == []


def test_pruning_keeps_what_is_in_use_or_fresh_and_the_latest_within_the_bytes(store: DependencyStore) -> None:
    ages = {"used": 90, "fresh": 0, "recent": 2, "middle": 3, "old": 40}
    keys = {name: key_of(name, "1") for name in ages}
    for name, days in ages.items():
        entry, _ = store.make(keys[name], fill("x" * 10), waiting=wait)
        then = time.time() - days * DAY
        os.utime(entry.directory / "highroad-entry.json", (then, then))
    pruned = store.prune(in_use={keys["used"]}, keep_bytes=20, keep_seconds=30 * DAY)
    assert set(store.keys()) == {keys["used"], keys["fresh"], keys["recent"]}
    assert (pruned.removed, pruned.freed) == (2, 20)


def test_use_keeps_an_entry_fresh(store: DependencyStore) -> None:
    entry, _ = store.make(KEY, fill(), waiting=wait)
    os.utime(entry.directory / "highroad-entry.json", (0, 0))
    store.find(KEY)
    assert store.prune(in_use=(), keep_bytes=0, keep_seconds=0).removed == 0
