from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from highroad.builds.locks import locked, locked_or_skipped


class GaveUp(Exception):
    pass


def give_up() -> None:
    raise GaveUp


def test_a_held_lock_keeps_others_out_in_threads_too(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock, waiting=give_up), pytest.raises(GaveUp), locked(lock, waiting=give_up):
        pytest.fail("got in")


def test_the_next_one_gets_it_afterwards(tmp_path: Path) -> None:
    lock, order, waits = tmp_path / "lock", [], threading.Event()

    def second() -> None:
        with locked(lock, waiting=waits.set):
            order.append("second")

    with locked(lock, waiting=give_up):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with locked_or_skipped(lock) as free:
            assert not free
        holder.kill()
    with locked(lock, waiting=give_up):
        pass


def test_a_lock_whose_file_was_deleted_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked_or_skipped(lock) as free:
        assert free
    assert not lock.exists()
    with locked(lock, waiting=give_up), locked_or_skipped(lock) as free:
        assert not free
