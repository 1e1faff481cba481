"""The one place where a command line begins and ends: whatever happens, an exit code and no traceback.

Called by `main`. Every error is rendered here, for people as three lines on stderr, with `--json` as a problem document
on stderr; stdout carries results alone.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from click import shell_completion

import highroad
from highroad.cli import failures
from highroad.cli.output import Output
from highroad.cli.pipes import quiet_pipe
from highroad.cli.root import root
from highroad.errors import HighroadError


def run(arguments: Sequence[str]) -> int:
    """Run one command line that `main` did not answer itself; returns its exit code."""
    instruction = os.environ.get("_HIGHROAD_COMPLETE", "")
    if instruction:
        return shell_completion.shell_complete(root, {}, "highroad", "_HIGHROAD_COMPLETE", instruction)
    try:
        code = _guarded(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return quiet_pipe()


def _guarded(arguments: Sequence[str]) -> int:
    output = Output(json_wanted=_wants_json(arguments))
    try:
        with root.make_context("highroad", list(arguments)) as context:
            done = root.invoke(context)
            return done if isinstance(done, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        return _say(output, _usage(error, f"{error.ctx.command_path if error.ctx else 'highroad'} needs arguments."))
    except click.UsageError as error:
        return _say(output, _usage(error, error.format_message()))
    except click.ClickException as error:
        return _say(output, failures.Usage(error.format_message(), next_step="highroad --help"))
    except HighroadError as error:
        return _say(output, error)
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__ or error.__context__, EOFError):
            detail = "The input ended before the question was answered."
            return _say(
                output, failures.Usage(detail, next_step="Run it in a terminal, or give the answer as an option.")
            )
        _say(output, failures.Detached("You interrupted it.", next_step="Run it again when you like."))
        return failures.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary: a person gets three lines, the traceback goes to a file
        return _say(output, _crash(error, arguments))


def _say(output: Output, error: HighroadError) -> int:
    if output.json:
        output.error_document(failures.as_document(error))
    else:
        output.error(failures.as_lines(error))
    return failures.exit_code(error)


def _usage(error: click.UsageError, detail: str) -> failures.Usage:
    path = error.ctx.command_path if error.ctx else "highroad"
    return failures.Usage(" ".join(detail.split()), next_step=f"{path} --help")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether errors are wanted as JSON, known before the arguments were understood. After `--` they are not ours."""
    ours = list(arguments)
    if "--" in ours:
        ours = ours[: ours.index("--")]
    return "--json" in ours


def _crash(error: Exception, arguments: Sequence[str]) -> failures.Crash:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    file = Path(state).expanduser() / "highroad" / "crash.log"
    where = f"Report it with the last entry of {file}."
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "a") as stream:
            # Arguments may be secrets (config set): the name of the command alone is written.
            stream.write(f"--- {datetime.now(UTC).isoformat()} highroad {highroad.__version__} {arguments[0]}\n")
            traceback.print_exception(error, file=stream)
    except OSError as unwritable:
        where = f"Report it; details could not be written to {file}: {unwritable.strerror}."
    return failures.Crash(f"{type(error).__name__}: {error}".splitlines()[0], next_step=where)
