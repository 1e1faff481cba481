"""The wire format of a push, as values."""

from __future__ import annotations

import pytest

from highroad.sources.protocol import (
    FLUSH,
    NotAPush,
    PushReader,
    RefUpdate,
    Report,
    Splitter,
    answer,
    band,
    packet,
    progress,
    refusal,
)

OLD, NEW, NONE = b"a" * 40, b"b" * 40, b"0" * 40
CAPABILITIES = b"report-status side-band-64k agent=git/2"
HEAD = (
    packet(b"shallow " + OLD)
    + packet(NONE + b" " + NEW + b" refs/heads/main\0" + CAPABILITIES)
    + packet(OLD + b" " + NONE + b" refs/tags/v1\n")
    + FLUSH
)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_push_is_read_from_pieces_of_any_size(size: int) -> None:
    reader, push, data = PushReader(), None, HEAD + b"PACK..."
    for at in range(0, len(data), size):
        push = push or reader.feed(data[at : at + size])
    assert push is not None
    assert push.updates == (
        RefUpdate("refs/heads/main", None, NEW.decode()),
        RefUpdate("refs/tags/v1", OLD.decode(), None),
    )
    assert (push.reports, push.has_bands, push.head) == (True, True, HEAD)


def test_what_follows_the_commands_is_the_beginning_of_the_pack() -> None:
    reader = PushReader()
    reader.feed(HEAD + b"PACK...")
    assert reader.rest() == b"PACK..."


def test_a_push_of_endless_commands_is_refused() -> None:
    with pytest.raises(NotAPush, match="too many refs"):
        PushReader().feed(packet(b"x" * 65000) * 100)


def test_a_ref_names_its_branch_or_its_tag() -> None:
    assert [RefUpdate(ref, None, "b").branch for ref in ("refs/heads/a/b", "refs/tags/v1")] == ["a/b", None]
    assert [RefUpdate(ref, None, "b").tag for ref in ("refs/heads/a/b", "refs/tags/v1")] == [None, "v1"]


def test_long_data_takes_several_packets_of_the_band() -> None:
    splitter, pieces = Splitter(), []
    splitter.feed(band(2, b"x" * 100_000))
    while (found := splitter.take()) is not None:
        pieces.append(found[5:])
    assert [len(piece) for piece in pieces] == [65515, 34485]


def test_lines_for_the_developer_lose_their_control_characters() -> None:
    assert progress(["\x1b[1;31mred\x1b[0m\x1b]8;;http://x\x07\ttab\x00\r\nnext"])[5:] == b"red\ttabnext\n"


def test_a_refusal_gives_each_ref_its_reason() -> None:
    reader = PushReader()
    push = reader.feed(HEAD)
    assert push is not None
    whole = refusal(push, "too large", ["Too large."])
    assert b"\x02Too large.\n" in whole
    assert b"ng refs/heads/main too large\n" in whole
    assert whole.endswith(FLUSH + FLUSH)


def test_a_report_written_is_a_report_read() -> None:
    first = packet(NONE + b" " + NEW + b" refs/heads/main\0report-status")
    push = PushReader().feed(first + packet(OLD + b" " + NONE + b" refs/tags/v1") + FLUSH)
    assert push is not None
    report = Report()
    report.feed(answer(push, {"refs/tags/v1": "kept for ever"}))
    assert report.complete
    assert report.taken == {"refs/heads/main"}
    assert report.reasons == {"refs/tags/v1": "kept for ever"}
