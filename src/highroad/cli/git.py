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
        """What `remember` stored for the nearest directory around this one.

        Where nothing was, it is what all services of the repository have in common: everything, if there is one."""
        kept = self._kept()
        directory = self.subdirectory
        while directory and directory not in kept:
            directory = directory.rpartition("/")[0]
        if directory in kept:
            return kept[directory]
        first, *others = kept.values() or [{}]
        return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}

    def services(self) -> list[str]:
        """The names of all services that are connected in this repository."""
        return sorted({each["service"] for each in self._kept().values() if each.get("service")})

    def remember(self, path: str, **settings: str) -> None:
        """Store settings for the directory `path` of the work tree; `""` is its root."""
        for name, value in {**settings, "path": path}.items():
            self.run("config", "--local", f"highroad.{path}.{name}" if path else f"highroad.{name}", value)

    def _kept(self) -> dict[str, dict[str, str]]:
        """The local settings `highroad.NAME` and `highroad.DIRECTORY.NAME`, by directory."""
        kept: dict[str, dict[str, str]] = {}
        for entry in self.ask("config", "--local", "-z", "--get-regexp", r"^highroad\.").split("\0"):
            key, newline, value = entry.partition("\n")
            if newline:
                path, _, name = key.removeprefix("highroad.").rpartition(".")
                kept.setdefault(path, {})[name] = value
        return {settings.get("path", path): settings for path, settings in kept.items()}


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
