"""The wire format of a push: pkt-lines, the list of wanted ref updates, the side band and git's report.

Pure; `gateway` and `reception` speak with it. Formats: gitprotocol-common(5), gitprotocol-pack(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from highroad.errors import Malformed

FLUSH = b"0000"
KEEPALIVE = b"0005\x01"  # an empty piece of band 1, which every client skips; git itself keeps pushes alive with it
DATA, PROGRESS = 1, 2

_MOST = 65520 - 5  # LARGE_PACKET_MAX less the length and the band
_MOST_COMMANDS = 4 * 1024 * 1024  # bytes; about 25,000 refs
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\0\n]+)(?:\0(.*))?\n?", re.DOTALL)
_ZERO = "0" * 40
# Escape sequences (ECMA-48) and other control characters: a build's output must not drive the developer's terminal.
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class NotAPush(Malformed):
    code = "not-a-push"
    title = "The request is not what git sends"

    def __init__(self, detail: str) -> None:
        super().__init__(
            detail, next_step="Use a current git client, and look for a proxy in between that changes requests."
        )


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """One ref that a push moves. `old` is None for a new ref, `new` for a deleted one."""

    ref: str
    old: str | None
    new: str | None

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else None

    @property
    def tag(self) -> str | None:
        return self.ref.removeprefix("refs/tags/") if self.ref.startswith("refs/tags/") else None


@dataclass(frozen=True, slots=True)
class Push:
    """What the client asks for. `head` is the request up to the pack, as it came."""

    updates: tuple[RefUpdate, ...]
    capabilities: frozenset[str]
    head: bytes

    @property
    def reports(self) -> bool:
        return bool(self.capabilities & {"report-status", "report-status-v2"})

    @property
    def has_bands(self) -> bool:
        return "side-band-64k" in self.capabilities


class Splitter:
    """Cuts a byte stream into pkt-lines as it comes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> bytes | None:
        """The next whole packet, its length in front (a flush is `FLUSH`); None until more comes. Raises `NotAPush`."""
        if len(self._buffer) < 4:
            return None
        try:
            length = max(int(self._buffer[:4], 16), 4)
        except ValueError as error:
            raise NotAPush("A packet length was expected.") from error
        if len(self._buffer) < length:
            return None
        packet = bytes(self._buffer[:length])
        del self._buffer[:length]
        return packet

    def rest(self) -> bytes:
        """What is left behind the last packet taken; the splitter is empty then."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


class PushReader:
    """Collects the commands in front of the pack. `rest` is then the beginning of the pack."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._packets: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Push | None:
        """The push once its flush packet has come. Raises `NotAPush`."""
        self._splitter.feed(data)
        while (packet := self._splitter.take()) is not None:
            self._packets.append(packet)
            self._size += len(packet)
            if packet == FLUSH:
                return _push(self._packets)
            if self._size > _MOST_COMMANDS:
                raise NotAPush("The push names too many refs at once.")
        return None

    def rest(self) -> bytes:
        return self._splitter.rest()


def _push(packets: Sequence[bytes]) -> Push:
    updates = []
    capabilities: frozenset[str] = frozenset()
    for packet in packets[:-1]:
        if packet[4:].startswith(b"shallow "):
            continue
        match = _COMMAND.fullmatch(packet[4:])
        if match is None:
            raise NotAPush("A ref update was expected.")
        old, new, ref, offered = match.groups()
        if offered is not None:
            capabilities = frozenset(offered.decode(errors="replace").split())
        updates.append(RefUpdate(ref.decode(errors="surrogateescape"), _sha(old), _sha(new)))
    return Push(tuple(updates), capabilities, b"".join(packets))


def _sha(name: bytes) -> str | None:
    return None if name == _ZERO.encode() else name.decode()


def packet(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)


def band(number: int, data: bytes) -> bytes:
    """`data` on a band of the side band, in as many packets as it needs."""
    pieces = (data[at : at + _MOST] for at in range(0, len(data), _MOST))
    return b"".join(packet(bytes([number]) + piece) for piece in pieces)


def progress(lines: Iterable[str]) -> bytes:
    """Lines that the client shows as `remote: ...`, without control characters."""
    return b"".join(
        band(PROGRESS, _CONTROL.sub("", line).encode("utf-8", "backslashreplace") + b"\n") for line in lines
    )


def answer(push: Push, reasons: Mapping[str, str], lines: Sequence[str] = ()) -> bytes:
    """A whole answer in git's place: `lines` as `remote:` lines, then each ref as taken, or refused for its reason."""
    report = b""
    if push.reports:
        rows = (_row(update.ref, reasons.get(update.ref)) for update in push.updates)
        report = packet(b"unpack ok\n") + b"".join(rows) + FLUSH
    if not push.has_bands:
        return report
    return progress(lines) + band(DATA, report) + FLUSH


def refusal(push: Push, reason: str, lines: Sequence[str]) -> bytes:
    return answer(push, {update.ref: reason for update in push.updates}, lines)


def _row(ref: str, reason: str | None) -> bytes:
    name = ref.encode(errors="surrogateescape")
    return packet(b"ok %s\n" % name if reason is None else b"ng %s %s\n" % (name, reason.encode()))


class Report:
    """Reads git's report (band 1, or the plain stream of a client without bands): which refs were taken, which not."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self.complete = False
        self.taken: set[str] = set()
        self.reasons: dict[str, str] = {}

    def feed(self, data: bytes) -> None:
        self._splitter.feed(data)
        while (found := self._splitter.take()) is not None:
            if found == FLUSH:
                self.complete = True
                continue
            verb, _, words = found[4:].decode(errors="surrogateescape").rstrip("\n").partition(" ")
            ref, _, reason = words.partition(" ")
            if verb == "ok":
                self.taken.add(ref)
            elif verb == "ng":
                self.reasons[ref] = reason
