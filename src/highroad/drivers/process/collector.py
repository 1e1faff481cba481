"""The log collector: one process that reads the output of all instances and writes it, line by line, into segments.

supervisord runs it (`program.collector_command`) with PIPES SEGMENT_BYTES SEGMENTS, apart from the control plane, so
that no line is lost while that restarts. It imports a handful of small modules and holds 64 KiB per instance at most.
`PIPES` holds, per instance, a FIFO `NAME.pipe` and `NAME.meta` with three lines: directory of the stream, label,
instance. The FIFO is found when the directory changes, and let go when its name is gone; a byte into the FIFO
`PIPES/bell` has the collector look at once instead of within 200 ms.

`NAME.mask`, if there is one, has a form of a secret on each line (`kit.disguises`), which is masked before anything is
written: what was never in a log can be in no copy of it. Without being able to read it, the collector takes nothing
from the instance. `NAME.held` is the beginning of a form, left by a collector that was asked to end just then.

A line becomes `2026-11-22T23:07:20.123456Z LABEL INSTANCE TEXT` in UTF-8; the last segment of a stream is the one that
grows. Instances take turns, so that one which prints without end slows down itself and nobody else.
"""

import os
import select
import sys
import time

from highroad.kit.masking import Forms, Masker

PIECE = 64 * 1024
LONGEST_LINE = 16 * 1024
LOOK = 0.2  # seconds between looks for new pipes
SETTLED = 100_000_000  # nanoseconds, well above the coarsest clock of a local file system
PIPE_BUFFER = 1024 * 1024
_F_SETPIPE_SZ = 1031  # linux/fcntl.h


class Stream:
    """The segments of one service and environment: `00000001.log`, `00000002.log`, ...

    A full disk loses lines, as an app must not stand still because nobody can store its log; each write tries anew.
    """

    def __init__(self, directory: str, segment_bytes: int, segments: int) -> None:
        self.directory = directory
        self.segment_bytes = segment_bytes
        self.segments = segments
        self.readers = 0
        self.number = 0
        self.file = -1
        self.size = 0
        self.torn = False  # the segment ends in the middle of a line
        self.forms: dict[bytes, Forms] = {}  # by what the file says: instances of one service mostly share them
        self.write(b"")

    def _numbers(self) -> list[int]:
        return sorted(int(name[:-4]) for name in os.listdir(self.directory) if name.endswith(".log"))  # noqa: PTH208

    def _path(self, number: int) -> str:
        return f"{self.directory}/{number:08d}.log"

    def _open(self, number: int) -> None:
        """Go on in this segment; the present one is let go only when that is open."""
        os.makedirs(self.directory, mode=0o700, exist_ok=True)  # noqa: PTH103
        file = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.close()
        self.number, self.file = number, file
        self.size = os.fstat(file).st_size
        self.torn = bool(self.size) and not self._whole()

    def _whole(self) -> bool:
        """Whether the segment ends with a whole line; it does not where the collector was killed while writing."""
        with open(self._path(self.number), "rb") as file:  # noqa: PTH123
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def write(self, lines: bytes) -> None:
        """Append whole lines."""
        try:
            if self.file < 0:
                os.makedirs(self.directory, mode=0o700, exist_ok=True)  # noqa: PTH103
                self._open(max(self._numbers(), default=1))
            if self.size and self.size + len(lines) > self.segment_bytes:
                self._rotate()
            self._append(lines)
        except OSError as error:
            _complain(f"lines of {self.directory} are lost: {error}")

    def _append(self, lines: bytes) -> None:
        if self.torn:
            lines = b"\n" + lines
        while lines:
            written = os.write(self.file, lines)
            self.size += written
            self.torn = lines[written - 1 : written] != b"\n"
            lines = lines[written:]

    def _rotate(self) -> None:
        self._open(self.number + 1)
        for number in self._numbers():
            if number <= self.number - self.segments:
                os.unlink(self._path(number))  # noqa: PTH108

    def close(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


class Pipe:
    """The output of one instance, and the beginning of a line whose end has not come yet."""

    def __init__(self, path: str, stream: Stream, label: str, instance: str) -> None:
        self.path = path
        self.stream = stream
        self.mark = f" {label} {instance} ".encode()
        self.rest = b""
        self.masker = _masker(path[:-5] + ".mask", stream)
        if self.masker is not None:
            self.rest = self.masker.feed(_taken(path[:-5] + ".held"))
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        stream.readers += 1

    def read(self) -> bool:
        """Take one piece; False when there is nothing more for now."""
        try:
            piece = os.read(self.descriptor, PIECE)
        except BlockingIOError:
            return False
        if not piece:  # no writer is left: the instance ended, perhaps to be started again
            self.flush()
            return False
        if self.masker is not None:
            piece = self.masker.feed(piece)
        lines = (self.rest + piece).split(b"\n")
        self.rest = lines.pop()
        while len(self.rest) >= LONGEST_LINE:
            lines.append(self.rest[:LONGEST_LINE])
            self.rest = self.rest[LONGEST_LINE:]
        self._write(lines)
        return True

    def flush(self) -> None:
        if self.masker is not None:
            self.rest += self.masker.close()
        if self.rest:
            self._write([self.rest])
            self.rest = b""

    def leave(self) -> None:
        """Write what there is, but leave the beginning of a secret to the next collector: alone, neither half of it
        would be recognised."""
        if self.masker is not None and self.masker.held:
            _put(self.path[:-5] + ".held", self.masker.drop())
        self.flush()

    def close(self) -> None:
        self.flush()
        os.close(self.descriptor)
        self.stream.readers -= 1

    def _write(self, lines: list[bytes]) -> None:
        head = stamp() + self.mark
        out: list[bytes] = []
        size = 0
        for line in lines:
            for start in range(0, len(line) or 1, LONGEST_LINE):
                out.append(head + _text(line[start : start + LONGEST_LINE]) + b"\n")
                size += len(out[-1])
            if size >= PIECE:  # a piece of nothing but line ends becomes fifty times its size
                self.stream.write(b"".join(out))
                out, size = [], 0
        if out:
            self.stream.write(b"".join(out))


def _text(line: bytes) -> bytes:
    """The line in UTF-8. A carriage return within it would be an end of the line to many a reader, and what follows it
    could be made to look like the line of another instance."""
    line = line.removesuffix(b"\r").replace(b"\r", b" ")
    return line if line.isascii() else line.decode(errors="replace").encode()


def stamp() -> bytes:
    """Now, as RFC 3339 in UTC with microseconds."""
    nanoseconds = time.time_ns()
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 1_000_000_000))
    return f"{seconds}.{nanoseconds // 1000 % 1_000_000:06d}Z".encode()


class Collector:
    def __init__(self, pipes: str, segment_bytes: int, segments: int) -> None:
        self.directory = pipes
        self.segment_bytes = segment_bytes
        self.segments = segments
        self.pipes: dict[tuple[str, int], Pipe] = {}
        self.streams: dict[str, Stream] = {}
        self.failed: set[tuple[str, int]] = set()
        self.changed = -1
        self.ready: dict[int, Pipe] = {}
        self.known: dict[int, Pipe] = {}
        # Edge-triggered: a pipe without writer would be "hung up" for ever, and waiting would spin.
        self.poll = select.epoll()
        self.bell = _open_bell(f"{pipes}/bell")
        self.poll.register(self.bell, select.EPOLLIN | select.EPOLLET)

    def look(self) -> None:
        """Take up new pipes and let go of those whose name is gone, when the directory changed."""
        changed = os.stat(self.directory).st_mtime_ns  # noqa: PTH116
        if changed == self.changed:
            return
        # A later change within the same tick of the file system's clock would leave the same time: look once more.
        self.changed = changed if time.time_ns() - changed > SETTLED else -1
        with os.scandir(self.directory) as entries:
            # With the inode, because a stopped instance may have been started again under its name meanwhile.
            found = {(each.name, each.inode()) for each in entries if each.name.endswith(".pipe")}
        self.failed &= found
        for pipe in self.pipes.keys() - found:
            self._let_go(pipe)
        for pipe in found - self.pipes.keys():
            self._take(pipe)

    def _take(self, key: tuple[str, int]) -> None:
        name, path = key[0], f"{self.directory}/{key[0]}"
        try:
            with open(path[:-5] + ".meta", encoding="utf-8") as file:  # noqa: PTH123
                directory, label, instance = file.read().splitlines()
            stream = self.streams.get(directory)
            if stream is None:
                stream = self.streams[directory] = Stream(directory, self.segment_bytes, self.segments)
            pipe = Pipe(path, stream, label, instance)
        except (OSError, ValueError) as error:
            self.changed = -1  # tried again at the next look; its app stands still until somebody reads the pipe
            if key not in self.failed:
                self.failed.add(key)
                _complain(f"no log of {name}: {error}")
            return
        self.failed.discard(key)
        _enlarge(pipe.descriptor)
        self.pipes[key] = self.known[pipe.descriptor] = self.ready[pipe.descriptor] = pipe
        self.poll.register(pipe.descriptor, select.EPOLLIN | select.EPOLLET)

    def _let_go(self, key: tuple[str, int]) -> None:
        pipe = self.pipes.pop(key)
        while pipe.read():
            pass
        self.poll.unregister(pipe.descriptor)
        del self.known[pipe.descriptor]
        self.ready.pop(pipe.descriptor, None)
        pipe.close()
        if not pipe.stream.readers:
            pipe.stream.close()
            del self.streams[pipe.stream.directory]

    def turn(self) -> None:
        """One piece of every pipe that has something; wait for one when none has."""
        for descriptor, _ in self.poll.poll(0 if self.ready else LOOK):
            if descriptor == self.bell:
                os.read(self.bell, PIECE)
                self.changed = -1
                self.look()
            elif descriptor in self.known:  # else let go of just now
                self.ready[descriptor] = self.known[descriptor]
        for descriptor, pipe in list(self.ready.items()):
            if not pipe.read():
                del self.ready[descriptor]

    def finish(self) -> None:
        """Take what the pipes hold now, at most one buffer each, and write the beginnings of lines as they are."""
        self.look()
        for pipe in self.pipes.values():
            for _ in range(PIPE_BUFFER // PIECE):
                if not pipe.read():
                    break
            pipe.leave()


def _masker(path: str, stream: Stream) -> Masker | None:
    written = _read(path)
    if not written:
        return None
    if written not in stream.forms:
        stream.forms[written] = Forms(written.split(b"\n"))
    return Masker(stream.forms[written])


def _read(path: str) -> bytes:
    """The content of a file, nothing when there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except FileNotFoundError:
        return b""


def _taken(path: str) -> bytes:
    """The content of a file, which is deleted."""
    content = _read(path)
    if content:
        os.unlink(path)  # noqa: PTH108
    return content


def _put(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, content)
    os.close(descriptor)


def _complain(text: str) -> None:
    os.write(2, f"highroad: {text}\n".encode())


def _open_bell(path: str) -> int:
    if not os.path.exists(path):  # noqa: PTH110
        os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _enlarge(descriptor: int) -> None:
    """1 MiB instead of 64 KiB between app and collector, as far as the user's share of pipe memory goes (pipe(7))."""
    import fcntl  # 0.2 ms

    try:
        fcntl.fcntl(descriptor, _F_SETPIPE_SZ, PIPE_BUFFER)
    except OSError:
        return


def _asked_to_end(_number: int, _frame: object) -> None:
    raise SystemExit(0)


def main() -> None:
    import _signal  # type: ignore[import-not-found]  # `signal` imports enum: a megabyte; this half has no stub

    _signal.signal(_signal.SIGTERM, _asked_to_end)
    collector = Collector(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    looked = 0.0
    try:
        while True:
            if time.monotonic() - looked >= LOOK:
                collector.look()
                looked = time.monotonic()
            collector.turn()
    except SystemExit:
        collector.finish()


if __name__ == "__main__":
    main()
