"""Git's listings as values, and which trees may be written out."""

from __future__ import annotations

import pytest

from highroad.sources.tree import (
    Entry,
    UnsafeTree,
    inside,
    parse_batch,
    parse_changes,
    parse_listing,
    refuse_unsafe,
    shown,
)

A, B = "a" * 40, "b" * 40


def test_a_listing_keeps_names_that_are_no_utf8() -> None:
    (entry,) = parse_listing(f"100755 blob {A}\td/".encode() + b"\xff\n\0")
    assert (entry.mode, entry.object, entry.path) == ("100755", A, "d/\udcff\n")


def test_changes_leave_out_what_was_deleted() -> None:
    rows = f":000000 120000 {'0' * 40} {A} A\0link\0:100644 000000 {B} {'0' * 40} D\0gone\0".encode()
    assert parse_changes(rows) == [Entry("120000", A, "link")]


def test_contents_with_line_feeds_are_cut_by_their_size() -> None:
    output = f"{A} blob 3\n1\n2\n{B} missing\n{B} blob 0\n\n".encode()
    assert list(parse_batch(output)) == [(A, b"1\n2"), (B, b"")]


@pytest.mark.parametrize(("path", "plain"), [(None, ""), ("", ""), ("./", ""), ("a//b/", "a/b"), ("./a", "a")])
def test_a_path_has_one_plain_form(path: str | None, plain: str) -> None:
    assert inside(path) == plain


@pytest.mark.parametrize("path", ["a/../b", ".git/config", "a/.Git/hooks/x", "a//b"])
def test_a_tree_with_a_dangerous_name_is_refused(path: str) -> None:
    with pytest.raises(UnsafeTree):
        refuse_unsafe([Entry("100644", A, path)], {})


def test_a_message_names_a_few_paths_and_counts_the_rest() -> None:
    assert shown([str(number) for number in range(8)]) == "0, 1, 2, 3, 4 and 3 more"
