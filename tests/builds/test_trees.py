from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from highroad.builds.failures import BadManifest, LeavesTheTree
from highroad.builds.trees import Source, read_from_strangers, remove, require_links_inside, settle


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_settling_gives_every_file_the_same_modes_and_times(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    for name, bits in (("d/plain", 0o600), ("d/program", 0o4711)):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(bits)
    measured = settle(tmp_path, epoch=1_000_000, take_over=True)
    assert [mode(tmp_path / name) for name in ("d", "d/plain", "d/program")] == [0o755, 0o644, 0o755]
    assert (tmp_path / "d/plain").stat().st_mtime == 1_000_000
    assert (measured.files, measured.size) == (2, 2)


def test_pipes_do_not_survive_settling(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    settle(tmp_path, epoch=0, take_over=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "d/../../outside"])
def test_a_link_out_of_the_tree_is_refused_by_name(tmp_path: Path, target: str) -> None:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "config").symlink_to(target)
    with pytest.raises(LeavesTheTree, match="config is a symbolic link"):
        settle(tree, epoch=0, take_over=True)
    with pytest.raises(LeavesTheTree):
        require_links_inside(tree)


def test_links_within_the_tree_and_to_allowed_places_stay(tmp_path: Path) -> None:
    tree, store = tmp_path / "tree", tmp_path / "store"
    (store / "package").mkdir(parents=True)
    tree.mkdir()
    (tree / "inside").symlink_to("missing")
    (tree / "package").symlink_to(store / "package")
    settle(tree, epoch=0, take_over=True, allowed=(store,))
    assert (tree / "package").readlink() == store / "package"


def test_a_source_is_read_without_leaving_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "root"
    (root / "service").mkdir(parents=True)
    (root / "service" / "requirements.txt").symlink_to("../../secret")
    (root / "shared.txt").write_text("ok")
    source = Source(root, "service")
    assert source.read("../shared.txt") == b"ok"
    assert source.read("absent") is None
    for name in ("requirements.txt", "../../secret", "/etc/passwd"):
        with pytest.raises(LeavesTheTree):
            source.read(name)


def test_text_that_is_not_utf8_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(BadManifest, match="not UTF-8"):
        Source(tmp_path).text("Pipfile.lock")


def test_a_report_behind_a_link_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "real" / "junit.xml").write_text("<ok/>")
    (tmp_path / "secret").write_text("s")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    assert read_from_strangers(root, "real/junit.xml", limit=100) == b"<ok/>"
    for name in ("link", "elsewhere/secret", "../secret", "/etc/passwd", "pipe", "real", "none", ""):
        assert read_from_strangers(root, name, limit=100) is None
    assert read_from_strangers(root, "real/junit.xml", limit=3) is None


def test_removing_follows_no_link_and_takes_what_is_read_only(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    doomed = tmp_path / "doomed"
    (doomed / "locked").mkdir(parents=True)
    (doomed / "locked" / "file").write_text("x")
    (doomed / "locked").chmod(0o555)
    (doomed / "link").symlink_to(kept)
    remove(doomed)
    remove(doomed)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
