"""The repository that a command is run in, through the git executable: where its service is remembered.

Called by `invocation` (to know the target), `init` (to set it) and `ship` (to read the source). Arguments go as a
vector, never through a shell.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from highroad.errors import Invalid, Unavailable


class GitMissing(Unavailable):
    code = "git-missing"
    title = "Git is not installed"


class NotARepository(Invalid):
    code = "not-a-repository"
    title = "This directory is not a Git repository"


class GitFailed(Invalid):
    code = "git-failed"
    title = "Git refused"


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree: its `root`, and where below it the command was run (`""` or a POSIX path without a slash at its
    ends)."""

    root: Path
    subdirectory: str

    def run(self, *arguments: str) -> str:
        """The output of a git command that must succeed, without its last line feed. Raises `GitFailed`."""
        done = _git(*arguments, directory=self.root)
        if done.returncode != 0:
            said = done.stderr.strip() or f"exit code {done.returncode}"
            raise GitFailed(f"git {arguments[0]}: {said}", next_step=f"Run it yourself: git {' '.join(arguments)}")
        return done.stdout.rstrip("\n")

    def ask(self, *arguments: str) -> str:
        """The output of a git command, or an empty string when it answers no."""
        done = _git(*arguments, directory=self.root)
        return done.stdout.rstrip("\n") if done.returncode == 0 else ""

    def branch(self) -> str:
        """The branch checked out, also before its first commit; empty when detached."""
        return self.ask("symbolic-ref", "--quiet", "--short", "HEAD")

    def has_commits(self) -> bool:
        return bool(self.ask("rev-parse", "--quiet", "--verify", "HEAD"))

    def remote(self, name: str) -> str:
        """The URL of a remote as configured, or an empty string."""
        return self.ask("config", "--local", "--get", f"remote.{name}.url")

    def remembered(self) -> dict[str, str]:
        """The local settings `highroad.*`, without that prefix."""
        return dict(
            line.removeprefix("highroad.").split(" ", 1)
            for line in self.ask("config", "--local", "--get-regexp", r"^highroad\.").splitlines()
            if " " in line
        )

    def remember(self, **settings: str) -> None:
        for name, value in settings.items():
            self.run("config", "--local", f"highroad.{name}", value)


def here(directory: Path | None = None) -> Repository:
    """The repository around `directory` (default: the working directory). Raises `NotARepository`, `GitMissing`."""
    done = _git("rev-parse", "--show-toplevel", "--show-prefix", directory=directory)
    if done.returncode != 0:
        raise NotARepository(
            f"{(directory or Path()).absolute()} is in no Git repository with a work tree.",
            next_step='Make one: git init -b main && git add -A && git commit -m "First commit"',
        )
    root, _, prefix = done.stdout.partition("\n")
    return Repository(Path(root), prefix.strip().strip("/"))


def here_or_none() -> Repository | None:
    """The repository around the working directory, if there is one and a git to read it."""
    try:
        return here()
    except (NotARepository, GitMissing):
        return None


def _git(*arguments: str, directory: Path | None) -> subprocess.CompletedProcess[str]:
    git = shutil.which("git")
    if git is None:
        raise GitMissing("There is no git on the PATH.", next_step="Install git, then run the command again.")
    return subprocess.run(
        [git, *arguments], cwd=directory, capture_output=True, text=True, check=False, errors="replace"
    )
