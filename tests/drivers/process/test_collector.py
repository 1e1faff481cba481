"""The collector as its own process, reading real pipes."""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from highroad.drivers.process import collector, logs, pipes
from highroad.drivers.process.program import collector_command
from highroad.kit.disguises import Mask
from tests.drivers.conftest import wait


class Running:
    def __init__(self, root: Path) -> None:
        self.pipes = root / "pipes"
        self.logs = root / "logs"
        self.pipes.mkdir()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(collector_command(self.pipes, 4096, 3))
        wait((self.pipes / "bell").exists)

    def make(self, name: str, stream: str = "s", secret: str = "") -> int:
        """A pipe that the collector reads; the descriptor is its only writer."""
        pipe = self.pipes / f"{name}.pipe"
        hidden = Mask([secret]).written
        pipes.make(pipe, [str(logs.directory_of(self.logs, stream)), "web.1", name], owner=None, hidden=hidden)
        return os.open(pipe, os.O_RDWR)

    def texts(self, stream: str = "s") -> list[str]:
        return [line.text for line in logs.read_after(logs.directory_of(self.logs, stream), None, 100_000).lines]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.process.terminate()
    running.process.wait()


def test_lines_of_several_writers_do_not_mix(running: Running) -> None:
    one, two = running.make("one"), running.make("two")
    os.write(one, b"one be")
    os.write(two, b"two\n")
    os.write(one, b"gins\n")
    wait(lambda: sorted(running.texts()) == ["one begins", "two"])
    os.close(one)
    os.close(two)


def test_the_beginning_of_a_line_is_written_when_its_writer_ends(running: Running) -> None:
    writer = running.make("one")
    os.write(writer, b"no newline")
    os.close(writer)
    wait(lambda: running.texts() == ["no newline"])


def test_long_lines_are_split_and_bad_bytes_replaced(running: Running) -> None:
    writer = running.make("one")
    os.write(writer, b"x" * (collector.LONGEST_LINE + 5) + b"\n\xff\xfe\xc3\xa4\r\n")
    wait(lambda: len(running.texts()) >= 2)
    assert running.texts()[-1].startswith("\ufffd\ufffdä")
    assert all(len(text) <= collector.LONGEST_LINE for text in running.texts())
    os.close(writer)


def test_a_carriage_return_within_a_line_becomes_a_space(running: Running) -> None:
    writer = running.make("one")
    os.write(writer, "10 %\r20 %\r\n\xe4\rb\r\n".encode())
    wait(lambda: running.texts() == ["10 % 20 %", "\xe4 b"])
    assert b"\r" not in (logs.directory_of(running.logs, "s") / "00000001.log").read_bytes()
    os.close(writer)


def test_segments_are_rotated_and_the_oldest_deleted(running: Running) -> None:
    writer = running.make("one")
    for number in range(200):
        os.write(writer, f"{number:0100d}\n".encode())
        wait(lambda: int(running.texts()[-1]) == number if running.texts() else False)  # noqa: B023  # waits here
    files = sorted(logs.directory_of(running.logs, "s").iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size <= 4096 for file in files)
    os.close(writer)


def test_asked_to_end_it_takes_what_is_there(running: Running) -> None:
    writer = running.make("one")
    os.write(writer, b"last words")
    running.process.terminate()
    assert running.process.wait(timeout=10) == 0
    assert running.texts() == ["last words"]
    os.close(writer)


def test_a_line_cut_by_a_crash_does_not_spoil_the_next(running: Running) -> None:
    writer = running.make("one")
    os.write(writer, b"before\n")
    wait(lambda: running.texts() == ["before"])
    running.process.kill()
    running.process.wait()
    with (logs.directory_of(running.logs, "s") / "00000001.log").open("a") as file:
        file.write("2026-11-22T23:07:20.0000")
    os.write(writer, b"after\n")
    running.start()
    wait(lambda: running.texts() == ["before", "after"])
    os.close(writer)


def test_a_full_disk_loses_lines_and_nothing_else(running: Running, tmp_path: Path) -> None:
    writer = running.make("one", "full")
    os.write(writer, b"a\n")
    wait(lambda: running.texts("full") == ["a"])
    directory = logs.directory_of(running.logs, "broken")
    directory.mkdir(parents=True)
    (directory / "00000001.log").symlink_to("/dev/full")
    broken = running.make("two", "broken")
    os.write(broken, b"lost\n")
    os.write(writer, b"b\n")
    wait(lambda: running.texts("full") == ["a", "b"])
    assert running.process.poll() is None
    os.close(writer)
    os.close(broken)


def test_a_segment_that_cannot_be_begun_is_tried_again(running: Running) -> None:
    directory = logs.directory_of(running.logs, "s")
    (directory / "00000002.log" / "in the way").mkdir(parents=True)
    (directory / "00000001.log").touch()
    (directory / "00000002.log").rename(directory / "aside")
    writer = running.make("one")
    (directory / "aside").rename(directory / "00000002.log")
    for number in range(100):  # more than a segment holds
        os.write(writer, f"{number:0100d}\n".encode())
        wait(lambda: not _waiting(writer))
    assert running.process.poll() is None
    shutil.rmtree(directory / "00000002.log")
    os.write(writer, b"room again\n")
    wait(lambda: "room again" in running.texts())
    os.close(writer)


def test_where_no_stream_can_be_made_the_app_does_not_stand_still(running: Running) -> None:
    (running.logs / "apps").mkdir(parents=True)
    directory = logs.directory_of(running.logs, "s")
    directory.touch()  # a file where the directory should be
    writer = running.make("one")
    os.write(writer, b"lost\n")
    wait(lambda: not _waiting(writer))
    directory.unlink()
    os.write(writer, b"kept\n")
    wait(lambda: running.texts() == ["kept"])
    os.close(writer)


def test_a_pipe_that_could_not_be_taken_up_is_tried_again(running: Running) -> None:
    pipe = running.pipes / "one.pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"early\n")
    pipes.make(running.pipes / "other.pipe", [str(running.logs / "apps" / "other"), "web.1", "other"], owner=None)
    before = running.pipes.stat()
    description = running.pipes / "one.meta"
    spare = running.pipes.parent / "spare"
    spare.write_text(f"{logs.directory_of(running.logs, 's')}\nweb.1\none\n")
    time.sleep(0.5)  # the directory has not changed for long enough to be left alone
    spare.rename(description)
    os.utime(running.pipes, ns=(before.st_atime_ns, before.st_mtime_ns))
    wait(lambda: running.texts() == ["early"])
    os.close(writer)


def _waiting(descriptor: int) -> int:
    """Bytes in a pipe that nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def test_a_secret_is_masked_however_it_is_written(running: Running) -> None:
    writer = running.make("one", secret="hunter2-is-long")
    for piece in (b"a hunter2-is-long b\nsplit hunter2", b"-is-long c\n", b"aHVudGVyMi1pcy1sb25n\n", b"hunter2\n"):
        os.write(writer, piece)
        wait(lambda: not _waiting(writer))
    wait(lambda: running.texts() == ["a *** b", "split *** c", "***", "hunter2"])
    os.close(writer)


def test_a_secret_is_masked_also_where_a_long_line_is_cut(running: Running) -> None:
    writer = running.make("one", secret="hunter2-is-long")
    os.write(writer, b"x" * (collector.LONGEST_LINE - 4) + b"hunter2-is-long\n")
    wait(lambda: running.texts() == ["x" * (collector.LONGEST_LINE - 4) + "***"])
    os.close(writer)


def test_each_instance_keeps_the_mask_that_it_was_started_with(running: Running) -> None:
    old, new = running.make("one", secret="before-rotation"), running.make("two", secret="after-rotation")
    for writer in (old, new):
        os.write(writer, b"before-rotation after-rotation\n")
    wait(lambda: sorted(running.texts()) == ["*** after-rotation", "before-rotation ***"])
    os.close(old)
    os.close(new)


@pytest.mark.parametrize("ending", ["asked", "killed"])
def test_masks_outlive_the_collector(running: Running, ending: str) -> None:
    writer = running.make("one", secret="hunter2-is-long")
    os.write(writer, b"one\n")
    wait(lambda: running.texts() == ["one"])
    os.write(writer, b"two hunter2")
    wait(lambda: not _waiting(writer))
    if ending == "asked":
        running.process.terminate()
    else:
        running.process.kill()
    running.process.wait()
    os.write(writer, b"-is-long three\nhunter2-is-long\n")
    running.start()
    wait(lambda: running.texts()[-1] == "***")
    # Asked to end, it leaves the first half to its successor; killed, it has that in nothing but its memory.
    assert running.texts() == (
        ["one", "two ", "*** three", "***"] if ending == "asked" else ["one", "-is-long three", "***"]
    )
    assert not list(running.pipes.glob("*.held"))
    os.close(writer)


def test_what_is_to_be_masked_is_for_its_owner_alone_and_goes_with_the_pipe(running: Running) -> None:
    writer = running.make("one", secret="hunter2-is-long")
    mask = running.pipes / "one.mask"
    assert mask.stat().st_mode & 0o777 == 0o600
    os.close(writer)
    pipes.remove(running.pipes / "one.pipe")
    assert not mask.exists()


def test_it_is_small(running: Running) -> None:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 15 * 1024
