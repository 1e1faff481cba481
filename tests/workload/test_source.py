"""The view of a source tree shows what is in it and never what is outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from highroad.workload.source import FILE_LIMIT, FileLeavesSource, FileTooLong, Source, UnreadableFile

MakeSource = Callable[..., Source]


def test_a_file_is_read_as_text(tree: MakeSource) -> None:
    assert tree({"a/b.txt": "grüße"}).read("a/b.txt") == "grüße"


def test_an_absent_file_is_none_rather_than_an_error(tree: MakeSource) -> None:
    source = tree({"a": ""})
    assert source.read("b") is None
    assert source.read("a/b") is None
    assert not source.has("b")


def test_a_byte_order_mark_is_dropped(tree: MakeSource) -> None:
    assert tree({"a": b"\xef\xbb\xbfx"}).read("a") == "x"


def test_the_line_that_is_not_utf8_is_named(tree: MakeSource) -> None:
    with pytest.raises(UnreadableFile, match=r"score\.yaml:2: .* not UTF-8") as caught:
        tree({"score.yaml": b"a: 1\nb: \xff\n"}).read("score.yaml")
    assert "UTF-8" in caught.value.next_step


def test_a_file_over_the_limit_is_refused(tree: MakeSource) -> None:
    with pytest.raises(FileTooLong, match="longer than 1024 KiB"):
        tree({"score.yaml": b"#" * (FILE_LIMIT + 1)}).read("score.yaml")


def test_a_file_of_exactly_the_limit_is_read(tree: MakeSource) -> None:
    assert len(tree({"f": b"#" * FILE_LIMIT}).read("f") or "") == FILE_LIMIT


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "sub/../../secret"])
def test_a_link_that_leaves_the_tree_is_refused_by_name(tree: MakeSource, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("s3cret")
    source = tree({"in/sub/x": ""}, "in")
    (tmp_path / "in" / "score.yaml").symlink_to(target)
    inner = Source.at(tmp_path / "in")
    for ask in (inner.read, inner.has):
        with pytest.raises(FileLeavesSource, match=r"score\.yaml leads out of the source") as caught:
            ask("score.yaml")
        assert "s3cret" not in str(caught.value)
    # From the repository's root on, the same link may be a fine one.
    assert (source.read("score.yaml") == "s3cret") if target == "../secret" else True


def test_a_link_within_the_tree_is_followed(tree: MakeSource, tmp_path: Path) -> None:
    source = tree({"real": "x"})
    (tmp_path / "link").symlink_to("real")
    assert source.read("link") == "x"


def test_a_link_to_a_directory_outside_is_refused(tree: MakeSource, tmp_path: Path) -> None:
    source = tree({"a": ""})
    (tmp_path / "tests").symlink_to("/etc")
    with pytest.raises(FileLeavesSource):
        source.names("tests")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_a_path_that_leaves_the_tree_is_refused(tree: MakeSource, path: str) -> None:
    with pytest.raises(FileLeavesSource):
        tree({"a": ""}).read(path)


def test_a_pipe_does_not_block_the_reader(tree: MakeSource, tmp_path: Path) -> None:
    source = tree({"a": ""})
    os.mkfifo(tmp_path / "Procfile")
    assert not source.has("Procfile")
    with pytest.raises(UnreadableFile, match="not a regular file"):
        source.read("Procfile")


def test_a_circle_of_links_is_no_file(tree: MakeSource, tmp_path: Path) -> None:
    source = tree({"a": ""})
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert not source.has("one")


def test_a_subdirectory_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnreadableFile, match="There is no directory 'services/shop'"):
        Source.at(Path("/tmp"), "services/shop")


def test_names_are_sorted(tree: MakeSource) -> None:
    assert tree({"b": "", "a": "", "c/d": ""}).names() == ("a", "b", "c")
