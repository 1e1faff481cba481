"""What is refused or warned of while a push waits in quarantine, through real pushes."""

from __future__ import annotations

import pytest

from highroad.sources import inspection, tree
from tests.sources.developer import Developer, Served

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("ab" * 32)


def refused(served: Served, developer: Developer, ref: str = "main") -> str:
    done = developer.try_git("push", "highroad", ref)
    assert done.returncode != 0
    assert served.gate.pushes == []
    assert served.gate.repository.heads() == {}
    assert not list(served.gate.repository.path.glob("objects/tmp_objdir*"))
    return done.stderr


def test_lfs_pointers_are_refused_with_the_way_out(served: Served, developer: Developer) -> None:
    developer.commit({"logo.png": POINTER, "other.png": POINTER})
    shown = refused(served, developer)
    assert "remote: Refused: Git LFS pointers instead of files: logo.png, other.png." in shown
    assert "git lfs migrate export" in shown


def test_a_text_that_only_speaks_of_lfs_is_fine(served: Served, developer: Developer) -> None:
    developer.commit({"README": f"A pointer looks like this:\n{POINTER}"})
    assert "remote: live" in developer.git("push", "highroad", "main")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secrets"])
def test_links_out_of_the_repository_are_refused(served: Served, developer: Developer, target: str) -> None:
    developer.link("config/leak", target)
    developer.commit({"app.py": "1"})
    shown = refused(served, developer)
    assert f"remote: Refused: The commit holds symbolic links out of the repository: config/leak -> {target}" in shown
    assert "[remote rejected] main -> main (pre-receive hook declined)" in shown


def test_a_link_that_leaves_through_an_older_link_is_refused(served: Served, developer: Developer) -> None:
    developer.link("deep/er/up", "../..")
    developer.commit({"app.py": "1"})
    developer.git("push", "highroad", "main")
    developer.link("out", "deep/er/up/../etc")
    developer.commit({})
    assert "out -> deep/er/up/../etc" in developer.try_git("push", "highroad", "main").stderr
    assert len(served.gate.pushes) == 1


def test_a_file_too_large_is_refused(served: Served, developer: Developer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MOST_BYTES", 1024**2)
    developer.commit({"model.bin": b"x" * (1024**2 + 1)})
    assert "remote: Refused: a file may have 1 MB; larger: model.bin." in refused(served, developer)


def test_too_many_files_are_refused(served: Served, developer: Developer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MOST_FILES", 1200)
    blob = developer.git("hash-object", "-w", "--stdin", stdin=b"x").strip()
    rows = (f"100644 {blob}\tf{number}" for number in range(1201))
    developer.git("update-index", "--index-info", stdin="\n".join(rows).encode() + b"\n")
    commit = developer.git("commit-tree", developer.git("write-tree").strip(), "-m", "Many").strip()
    shown = refused(served, developer, f"{commit}:refs/heads/main")
    assert "remote: Refused: The commit holds 1,201 files; at most 1,200 are taken." in shown


def test_submodules_are_accepted_with_a_warning(served: Served, developer: Developer) -> None:
    sha = developer.commit({"a": "1"})
    developer.git("update-index", "--add", "--cacheinfo", f"160000,{sha},vendor/lib")
    developer.git("commit", "--quiet", "--message", "Submodule")
    shown = developer.git("push", "highroad", "main")
    assert "remote: Warning: submodules are not fetched; empty directories will stand for vendor/lib." in shown


def test_a_tag_of_a_file_is_accepted(served: Served, developer: Developer) -> None:
    developer.commit({"a": "1"})
    developer.git("tag", "key", "HEAD:a")
    developer.git("push", "highroad", "key")
    assert [update.tag for update in served.gate.pushes[0]] == ["key"]


def test_a_new_branch_is_only_looked_at_where_it_differs(served: Served, developer: Developer) -> None:
    developer.commit({"a": "1"})
    developer.git("push", "highroad", "main")
    served.gate.repository.maintain()
    developer.git("switch", "--quiet", "--create", "next")
    developer.commit({"logo.png": POINTER})
    assert "Git LFS pointers instead of files: logo.png" in developer.try_git("push", "highroad", "next").stderr
