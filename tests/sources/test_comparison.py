"""What lies between two commits, however large it is."""

from __future__ import annotations

from collections.abc import Mapping

from highroad.sources.comparison import LONGEST_FILE, MOST_BYTES, MOST_FILES, FileChange, compare
from highroad.sources.repository import Repository
from tests.sources.developer import Developer


def pushed(developer: Developer, repository: Repository, files: Mapping[str, str | bytes]) -> str:
    for name, content in files.items():
        path = developer.clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    developer.git("add", "--all")
    developer.git("commit", "--quiet", "--allow-empty", "--message", "x")
    developer.git("push", "--quiet", str(repository.path), "HEAD:refs/heads/main")
    return repository.heads()["main"]


def test_files_lines_and_patch_are_told(repository: Repository, developer: Developer) -> None:
    old = pushed(developer, repository, {"a.txt": "one\ntwo\n"})
    new = pushed(developer, repository, {"a.txt": "one\n2\n", "ä b/c.txt": "new\n"})
    found = compare(repository, old, new)
    assert found.files == (FileChange("a.txt", 1, 1), FileChange("ä b/c.txt", 1, 0))
    assert "-two\n+2" in found.patch
    assert (found.lines, found.left_out) == (3, 0)


def test_everything_is_new_when_there_was_nothing(repository: Repository, developer: Developer) -> None:
    new = pushed(developer, repository, {"a.txt": "one\n"})
    assert compare(repository, None, new).files == (FileChange("a.txt", 1, 0),)


def test_binary_and_very_large_files_are_named_and_not_shown(repository: Repository, developer: Developer) -> None:
    old = pushed(developer, repository, {"a.txt": "one\n"})
    new = pushed(
        developer,
        repository,
        {"logo.png": b"\0\1\2" * 50, "bundle.js": "x" * 5_000_000, "long.csv": "1\n" * (LONGEST_FILE + 1)},
    )
    found = compare(repository, old, new)
    assert [(each.path, each.added) for each in found.files] == [
        ("bundle.js", None),
        ("logo.png", None),
        ("long.csv", LONGEST_FILE + 1),
    ]
    assert (found.patch, found.left_out) == ("", 3)


def test_a_patch_of_many_files_and_long_lines_is_cut(repository: Repository, developer: Developer) -> None:
    old = pushed(developer, repository, {"a.txt": "one\n"})
    many = {f"{number:03}.txt": f"{'y' * 20_000}\n" for number in range(MOST_FILES + 10)}
    found = compare(repository, old, pushed(developer, repository, many))
    assert len(found.files) == MOST_FILES + 10
    assert len(found.patch.encode()) <= MOST_BYTES
    assert found.left_out == 11


def test_a_path_that_looks_like_a_pattern_is_a_path(repository: Repository, developer: Developer) -> None:
    old = pushed(developer, repository, {"a.txt": "one\n"})
    new = pushed(developer, repository, {":(exclude)*.txt": "odd\n", "*": "star\n"})
    assert compare(repository, old, new).patch.count("diff --git") == 2
