"""The `highroad` executable. It answers what needs no framework by itself, and hands all else to `boundary`.

Called by the console script of the package and by `python -m highroad.cli.main`. Importing click takes as long as
everything else together, so the help, the version and the Git credential helper (on the way of every push) go without.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import highroad
from highroad.cli.pipes import quiet_pipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; see `table.EXIT_CODES`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if "_HIGHROAD_COMPLETE" not in os.environ:
            if given[:1] == ["git-credential"]:
                from highroad.cli import git_credential

                return git_credential.answer(given[1:], sys.stdin, sys.stdout, sys.stderr, os.environ)
            text = _plain_answer(given)
            if text is not None:
                sys.stdout.write(text)
                sys.stdout.flush()
                return 0
        from highroad.cli import boundary

        return boundary.run(given)
    except BrokenPipeError:
        return quiet_pipe()
    except KeyboardInterrupt:
        return 130  # before `boundary` was there to say more


def _plain_answer(given: Sequence[str]) -> str | None:
    from highroad.cli import table

    if not given:
        return table.getting_started()
    if list(given) in (["--help"], ["-h"], ["help"]):
        return table.full_help()
    if list(given) == ["--version"]:
        return f"highroad {highroad.__version__}\n"
    return None


if __name__ == "__main__":
    sys.exit(main())
