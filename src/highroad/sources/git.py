"""The git command as Highroad calls it: by argument vector, in a clean environment, with one configuration file.

`repository` and `gateway` call it. A machine's or user's own git configuration could run filters, hooks, credential
helpers or external transports, so none of it is read: `HOME` is a directory of ours that holds one `.gitconfig` and the
hook that lets the gateway judge a push before git accepts it. A file, because `safe.directory` is ignored elsewhere.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from highroad.errors import HighroadError, Unavailable

# Receiving: every object is checked, above all for names that would write into `.git` or out of the work tree. Old
# histories carry harmless blemishes (the ones every large forge accepts); refusing those would refuse honest projects.
# Big blobs are streamed and never delta-compressed, so a push costs bounded memory. Housekeeping is never done in the
# push path (`Repository.maintain` does it). Loose objects and refs are flushed to disk: a change that is recorded in
# the database must still exist after a power cut.
_CONFIGURATION = """\
[core]
\thooksPath = {hooks}
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tbigFileThreshold = 16m
\tfsync = committed,loose-object,reference
\tfsyncMethod = batch
[safe]
\tdirectory = *
[init]
\tdefaultBranch = main
[protocol]
\tallow = never
[gc]
\tauto = 0
\tautoDetach = false
[checkout]
\tworkers = 2
[pack]
\tthreads = 2
\twindowMemory = 64m
[transfer]
\tfsckObjects = true
[uploadpack]
\tallowFilter = true
\tallowReachableSHA1InWant = true
[receive]
\tfsckObjects = true
\tautogc = false
\tdenyDeletes = false
\tdenyNonFastForwards = false
\tdenyDeleteCurrent = ignore
\tadvertisePushOptions = false
[receive "fsck"]
\tbadTimezone = ignore
\tmissingEmail = ignore
\tmissingNameBeforeEmail = ignore
\tmissingSpaceBeforeDate = ignore
\tmissingSpaceBeforeEmail = ignore
\tmissingTaggerEntry = ignore
\tbadFilemode = ignore
\tzeroPaddedFilemode = ignore
\tzeroPaddedDate = ignore
"""

# The hook hands git's quarantine directory (empty when no pack came) to the control plane and waits for one word. The
# numbers are pipe ends that the gateway lets git inherit. If the control plane dies, `read` meets the end of the pipe
# and the push is refused. Shell, because a Python interpreter would add 20 ms to every push.
_PRE_RECEIVE = """\
#!/bin/sh
echo "${GIT_QUARANTINE_PATH:-}" >"/dev/fd/${HIGHROAD_ASK:?}" || exit 1
read -r verdict <"/dev/fd/${HIGHROAD_ANSWER:?}" || exit 1
[ "$verdict" = yes ]
"""


class GitFailed(HighroadError):
    code = "git-failed"
    title = "A git command failed"


class GitMissing(Unavailable):
    code = "git-missing"
    title = "Git is not installed"


@dataclass(frozen=True, slots=True)
class Git:
    """`home` is what `install` made; `program` the git to run."""

    home: Path
    program: str = "git"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a git process. Nothing but `PATH` is inherited."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            **(extra or {}),
        }

    def run(
        self,
        *arguments: str,
        repository: Path | None = None,
        work_tree: Path | None = None,
        stdin: bytes = b"",
        extra: Mapping[str, str] | None = None,
        seconds: float = 300.0,
    ) -> bytes:
        """Standard output of one git command. Raises `GitFailed` with git's own words, `GitMissing`."""
        vector = [self.program]
        if repository is not None:
            vector.append(f"--git-dir={repository}")
        if work_tree is not None:
            vector.append(f"--work-tree={work_tree}")
        vector += arguments
        try:
            done = subprocess.run(
                vector,
                capture_output=True,
                check=False,
                cwd=work_tree or repository or self.home,
                env=self.environment(extra),
                timeout=seconds,
                input=stdin,
            )
        except FileNotFoundError as error:
            raise _not_found(self.program, vector, error) from error
        except subprocess.TimeoutExpired as error:
            raise GitFailed(
                f"`git {arguments[0]}` did not end within {seconds:.0f} s and was stopped.",
                next_step="Try again when the machine is less busy.",
            ) from error
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
            raise GitFailed(
                f"`git {arguments[0]}`: {words[-2000:]}",
                next_step="Try again; if it stays, see the log of the control plane.",
            )
        return done.stdout


def _not_found(program: str, vector: Sequence[str], error: FileNotFoundError) -> HighroadError:
    """The missing file is git itself or the directory to run in (`subprocess` raises the same error for both)."""
    if error.filename == program:
        return GitMissing(f"There is no program {program!r} on PATH.", next_step="Install git, version 2.31 or newer.")
    return GitFailed(
        f"`{vector[0]}` cannot run in {error.filename}: it does not exist.",
        next_step="Run `highroad status` to see what is missing.",
    )


def install(home: Path, *, program: str = "git") -> Git:
    """Write git's configuration and hook into `home` (made when missing, rewritten on every start); the `Git` there."""
    hooks = home / "hooks"
    hooks.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(home / ".gitconfig", _CONFIGURATION.format(hooks=_quoted(hooks)), 0o600)
    _replace(hooks / "pre-receive", _PRE_RECEIVE, 0o700)
    return Git(home, program)


def _quoted(path: Path) -> str:
    """A value of git's configuration format, which ends at `#`, `;` and `"` unless quoted."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _replace(path: Path, text: str, mode: int) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)
