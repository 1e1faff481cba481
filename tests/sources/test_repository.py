"""The bare repository, on the real git."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from highroad.sources import tree
from highroad.sources.git import Git
from highroad.sources.repository import Repository, UnknownRevision
from highroad.sources.tree import NoSuchDirectory, TooManyFiles, UnsafeTree
from tests.sources.developer import Developer


def pushed(repository: Repository, developer: Developer, *refs: str) -> Repository:
    developer.git("push", "--quiet", "--force", str(repository.path), *(refs or ("main",)))
    return repository


def test_creating_twice_keeps_what_is_there(repository: Repository, developer: Developer) -> None:
    commit = developer.commit({"a": "1"})
    pushed(repository, developer).create()
    assert repository.heads() == {"main": commit}


def test_of_many_creators_at_once_one_wins_and_nothing_is_left_over(tmp_path: Path, git: Git) -> None:
    made = Repository(tmp_path / "many" / "svc.git", git)
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(made.create) for _ in range(8)]:
            done.result()
    assert [path.name for path in made.path.parent.iterdir()] == ["svc.git"]


def test_a_deleted_repository_is_gone_and_deleting_again_is_nothing(repository: Repository) -> None:
    repository.delete()
    repository.delete()
    assert list(repository.path.parent.iterdir()) == []


def test_an_empty_repository_has_no_heads_and_no_default_branch(repository: Repository) -> None:
    assert repository.heads() == {}
    assert repository.default_branch() is None


@pytest.mark.parametrize("name", ["main", "v1", "{sha}", "{short}"])
def test_a_commit_is_found_by_every_name(repository: Repository, developer: Developer, name: str) -> None:
    sha = developer.commit({"a": "1"})
    developer.git("tag", "--annotate", "v1", "--message", "One")
    pushed(repository, developer, "main", "v1")
    assert repository.resolve(name.format(sha=sha, short=sha[:8])) == sha


@pytest.mark.parametrize("name", ["nothing", "--all", "", "0" * 40, "main:a", "main..main"])
def test_what_names_no_commit_is_told_so(repository: Repository, developer: Developer, name: str) -> None:
    developer.commit({"a": "1"})
    with pytest.raises(UnknownRevision):
        pushed(repository, developer).resolve(name)
    with pytest.raises(UnknownRevision):
        repository.commit_info(name)


def test_a_commit_tells_who_made_it_when_and_why(repository: Repository, developer: Developer) -> None:
    first = developer.commit({"a": "1"})
    second = developer.commit({"a": "2"}, "Größer\n\nBecause it was small.")
    commit = pushed(repository, developer).commit_info(second)
    assert (commit.author, commit.email, commit.parents) == ("Ann", "ann@example.com", (first,))
    assert commit.authored == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert (commit.subject, commit.message) == ("Größer", "Größer\n\nBecause it was small.")


def test_the_log_is_newest_first_and_can_begin_after_a_commit(repository: Repository, developer: Developer) -> None:
    commits = [developer.commit({"a": str(number)}) for number in range(3)]
    log = pushed(repository, developer).log("main", since=commits[0])
    assert [commit.sha for commit in log] == [commits[2], commits[1]]


def test_a_commit_is_an_ancestor_of_what_contains_it(repository: Repository, developer: Developer) -> None:
    old, new = developer.commit({"a": "1"}), developer.commit({"a": "2"})
    pushed(repository, developer)
    assert repository.is_ancestor(old, new)
    assert not repository.is_ancestor(new, old)


def test_changed_paths_hold_what_was_added_changed_and_deleted(repository: Repository, developer: Developer) -> None:
    old = developer.commit({"same": "1", "changed": "1", "gone": "1"})
    (developer.clone / "gone").unlink()
    new = developer.commit({"changed": "2", "d/new ü": "1"})
    pushed(repository, developer)
    assert repository.changed_paths(old, new) == ["changed", "d/new ü", "gone"]
    assert repository.changed_paths(None, new) == ["changed", "d/new ü", "same"]


def test_equal_content_has_an_equal_tree_in_any_commit(repository: Repository, developer: Developer) -> None:
    one = developer.commit({"api/a": "1", "b": "1"})
    developer.commit({"b": "2"})
    three = developer.commit({"b": "1"})
    pushed(repository, developer)
    assert repository.tree(one) == repository.tree(three)
    assert repository.commit_info(one).tree == repository.tree(one)
    assert repository.tree(one, subdirectory="api") == repository.tree("main~1", subdirectory="./api/")


@pytest.mark.parametrize("path", ["nothing", "b", "api/a"])
def test_a_directory_that_is_none_is_told_so(repository: Repository, developer: Developer, path: str) -> None:
    developer.commit({"api/a": "1", "b": "1"})
    with pytest.raises(NoSuchDirectory, match="has no directory"):
        pushed(repository, developer).tree("main", subdirectory=path)


@pytest.mark.parametrize("path", ["..", "api/../..", "/etc"])
def test_a_directory_out_of_the_repository_is_refused(repository: Repository, developer: Developer, path: str) -> None:
    developer.commit({"api/a": "1"})
    with pytest.raises(UnsafeTree):
        pushed(repository, developer).checkout("main", developer.home / "out", subdirectory=path)


def test_a_checkout_holds_every_file_as_it_was_committed(repository: Repository, developer: Developer) -> None:
    developer.commit({"run.sh": "#!/bin/sh\n", "d/ü": b"\0\r\n", ".gitattributes": "d/* filter=lfs export-ignore\n"})
    (developer.clone / "run.sh").chmod(0o755)
    developer.link("d/link", "../run.sh")
    developer.commit({})
    into = developer.home / "out"
    done = pushed(repository, developer).checkout("main", into)
    assert (done.files, done.submodules) == (4, ())
    assert (into / "d" / "ü").read_bytes() == b"\0\r\n"
    assert os.access(into / "run.sh", os.X_OK)
    assert (into / "d" / "link").readlink() == Path("../run.sh")
    assert not list(repository.path.glob("index*"))


def test_a_checkout_can_be_of_one_directory(repository: Repository, developer: Developer) -> None:
    developer.commit({"api/a": "1", "web/b": "1"})
    pushed(repository, developer).checkout("main", developer.home / "out", subdirectory="api")
    assert [path.name for path in (developer.home / "out").iterdir()] == ["a"]


def test_checkouts_side_by_side_do_not_disturb_each_other(repository: Repository, developer: Developer) -> None:
    commits = [developer.commit({"a": str(number), f"only{number}": ""}) for number in range(4)]
    pushed(repository, developer)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(repository.checkout, c, developer.home / c) for c in commits]:
            done.result()
    assert [(developer.home / c / "a").read_text() for c in commits] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "d/../../x"])
def test_a_link_out_of_the_tree_is_refused_before_anything_is_written(
    repository: Repository, developer: Developer, target: str
) -> None:
    developer.link("leak", target)
    developer.commit({"a": "1"})
    with pytest.raises(UnsafeTree, match=f"leak -> {target}"):
        pushed(repository, developer).checkout("main", developer.home / "out")
    assert not (developer.home / "out").exists()


@pytest.mark.parametrize("name", [".git", "..", ".GIT"])
def test_a_name_that_no_checkout_may_write_is_refused(repository: Repository, developer: Developer, name: str) -> None:
    commit = developer.forged_commit([("100644", name, "x")])
    shutil.copytree(developer.clone / ".git" / "objects", repository.path / "objects", dirs_exist_ok=True)
    with pytest.raises(UnsafeTree, match="no checkout may write"):
        repository.checkout(commit, developer.home / "out")


def test_a_link_that_is_too_long_to_be_one_is_refused(repository: Repository, developer: Developer) -> None:
    commit = developer.forged_commit([("120000", "link", "x" * 5000)])
    pushed(repository, developer, f"{commit}:refs/heads/main")
    with pytest.raises(UnsafeTree, match="too long"):
        repository.checkout("main", developer.home / "out")


def test_too_many_files_are_refused(
    repository: Repository, developer: Developer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_FILES", 2000)
    blob = developer.git("hash-object", "-w", "--stdin", stdin=b"x").strip()
    rows = (f"100644 {blob}\td{number // 1000}/f{number}" for number in range(2001))
    developer.git("update-index", "--index-info", stdin="\n".join(rows).encode() + b"\n")
    commit = developer.git("commit-tree", developer.git("write-tree").strip(), "-m", "Many").strip()
    pushed(repository, developer, f"{commit}:refs/heads/main")
    with pytest.raises(TooManyFiles, match="2,001 files"):
        repository.checkout("main", developer.home / "out")


def test_submodules_stay_empty_and_are_named(repository: Repository, developer: Developer) -> None:
    sha = developer.commit({"a": "1"})
    developer.git("update-index", "--add", "--cacheinfo", f"160000,{sha},vendor/lib")
    developer.git("commit", "--quiet", "--message", "Submodule")
    done = pushed(repository, developer).checkout("main", developer.home / "out")
    assert (done.files, done.submodules) == (1, ("vendor/lib",))


def test_one_file_can_be_read_without_a_checkout(repository: Repository, developer: Developer) -> None:
    developer.commit({"d/score.yaml": "apiVersion: x\n", "large": "x" * 100})
    pushed(repository, developer)
    assert repository.read("main", "d/score.yaml") == b"apiVersion: x\n"
    assert repository.read("main", "large", most=99) is None
    assert [repository.read("main", path) for path in ("d", "nothing", "")] == [None, None, None]


def test_an_archive_holds_the_commit(repository: Repository, developer: Developer) -> None:
    developer.commit({"d/a": "1"})
    pushed(repository, developer).archive("main", developer.home / "a.tar")
    with tarfile.open(developer.home / "a.tar") as archive:
        assert "d/a" in archive.getnames()


def test_maintenance_keeps_every_commit(repository: Repository, developer: Developer) -> None:
    commits = [developer.commit({"a": str(number)}) for number in range(3)]
    pushed(repository, developer).maintain()
    assert [commit.sha for commit in repository.log("main")] == commits[::-1]


def test_leftovers_of_killed_processes_are_removed_once_they_are_old(repository: Repository) -> None:
    (repository.path / "objects" / "tmp_objdir-incoming-x" / "17").mkdir(parents=True)
    (repository.path / "refs" / "heads" / "main.lock").touch()
    fresh = repository.path / "index-fresh"
    fresh.mkdir()
    for old in (repository.path / "objects" / "tmp_objdir-incoming-x", repository.path / "refs/heads/main.lock"):
        os.utime(old, (time.time() - 3600, time.time() - 3600))
    repository.sweep()
    assert not list(repository.path.glob("objects/tmp_objdir*"))
    assert not list(repository.path.rglob("*.lock"))
    assert fresh.exists()


def forged(developer: Developer, who: str, message: str, *parents: str) -> str:
    """A commit of the empty tree as git itself would not write it; `main` is moved to it."""
    tree = developer.git("mktree", stdin=b"").strip()
    head = "".join(f"parent {parent}\n" for parent in parents)
    text = f"tree {tree}\n{head}author {who}\ncommitter {who}\n\n{message}"
    commit = developer.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=text.encode()).strip()
    developer.git("update-ref", "refs/heads/main", commit)
    return commit


@pytest.mark.parametrize("message", ["a\x01b\n\n\x01\x01", "\x01", "", "\n\n", "\x02\x1e\x1f\r", "a\x00b"])
def test_no_message_confuses_the_log(repository: Repository, developer: Developer, message: str) -> None:
    first = forged(developer, "A <a@b> 1700000000 +0000", message)
    second = forged(developer, "B <b@b> 1700000001 +0000", message, first)
    pushed(repository, developer)
    found = repository.log("main")
    assert [(each.sha, each.author, each.parents) for each in found] == [(second, "B", (first,)), (first, "A", ())]
    assert {each.message for each in found} == {message.partition("\0")[0].strip("\n")}


@pytest.mark.parametrize(
    ("when", "year"), [("99999999999999 +0000", 9999), ("9" * 30 + " +0000", 9999), ("x +0000", 1970), ("", 1970)]
)
def test_no_date_breaks_the_reader_of_commits(
    repository: Repository, developer: Developer, when: str, year: int
) -> None:
    commit = forged(developer, f"A <a@b> {when}", "Late")
    pushed(repository, developer)
    found = repository.commit_info(commit)
    assert (found.authored.year, found.committed.year, found.subject) == (year, year, "Late")
