"""The git command in its clean environment, and the hook."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from highroad.sources.git import Git, GitFailed, GitMissing, install


def test_nothing_of_the_machine_reaches_git(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.pager")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "touch owned")
    listed = git.run("config", "--list", "--show-origin").decode()
    assert "pager" not in listed
    assert all(".gitconfig" in line for line in listed.splitlines())


def test_the_hooks_are_found_in_a_directory_with_spaces_and_quotes(tmp_path: Path) -> None:
    git = install(tmp_path / 'a "b"; #c')
    assert git.run("config", "core.hooksPath").decode().strip() == str(git.home / "hooks")
    assert os.access(git.home / "hooks" / "pre-receive", os.X_OK)


def test_installing_again_changes_nothing(git: Git) -> None:
    before = (git.home / ".gitconfig").read_text()
    assert install(git.home) == git
    assert (git.home / ".gitconfig").read_text() == before
    assert sorted(path.name for path in git.home.iterdir()) == [".gitconfig", "hooks"]


def test_a_failure_repeats_the_words_of_git(git: Git, tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="not a git repository"):
        git.run("log", repository=tmp_path)


def test_a_missing_git_is_told_so(git: Git) -> None:
    with pytest.raises(GitMissing) as told:
        Git(git.home, "git-that-is-not-there").run("version")
    assert "Install git" in told.value.next_step


def test_a_missing_directory_is_not_taken_for_a_missing_git(git: Git, tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="does not exist"):
        git.run("log", repository=tmp_path / "gone")


@pytest.mark.parametrize(("verdict", "passes"), [(b"yes\n", True), (b"no\n", False), (b"", False)])
def test_the_hook_passes_on_yes_alone(git: Git, verdict: bytes, passes: bool) -> None:
    question, ask = os.pipe()
    answer_end, answer = os.pipe()
    hook = subprocess.Popen(
        [git.home / "hooks" / "pre-receive"],
        env={"HIGHROAD_ASK": str(ask), "HIGHROAD_ANSWER": str(answer_end), "GIT_QUARANTINE_PATH": "/q"},
        pass_fds=(ask, answer_end),
    )
    for end in (ask, answer_end):
        os.close(end)
    assert os.read(question, 100) == b"/q\n"
    os.write(answer, verdict)
    os.close(answer)  # with no verdict: what the hook sees when the control plane dies
    os.close(question)
    assert (hook.wait(20) == 0) is passes


def test_the_hook_refuses_when_nobody_asked_for_it(git: Git) -> None:
    done = subprocess.run([git.home / "hooks" / "pre-receive"], env={}, capture_output=True, check=False)
    assert done.returncode != 0
