"""`highroad run`: one command with the code, the variables and the limits of the service, and its exit code."""

from __future__ import annotations

import shlex

import click

from highroad.cli.command import command
from highroad.cli.failures import OperationFailed
from highroad.cli.following import watch_lines
from highroad.cli.invocation import Invocation
from highroad.client.problems import Json


@command("run", needs="service", allow_interspersed_args=False, ignore_unknown_options=False)
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...", type=click.UNPROCESSED)
def run(invocation: Invocation, words: tuple[str, ...]) -> int:
    """Run a command in the environment of the service, show its output and end with its exit code.

    One word is taken as a shell command line: highroad run -- 'echo $PORT | wc -c'.
    """
    line = words[0] if len(words) == 1 else shlex.join(words)
    output = invocation.output
    printed: list[str] = []

    def show(said: Json) -> None:
        printed.append(str(said.get("text", ""))) if output.json else output.raw_line(str(said.get("text", "")))

    with invocation.client() as client:
        started = client.post(f"{invocation.target.placement_path}/commands", {"command": line})
        path = f"/commands/{started['id']}"
        name, come_back = f"Command {started['id']}", f"highroad cancel {started['id']} (to end it)"
        ended = watch_lines(invocation, client, f"{path}/log", name=name, come_back=come_back, show=show)
        ended = ended or client.get(path)
    output.document({**ended, "output": printed})
    code = ended.get("exit_code")
    if not isinstance(code, int):
        raise OperationFailed(
            f"{name} did not end by itself",
            str(ended.get("why") or "It was lost."),
            next_step="Check that it did not half of its work, then run it again.",
        )
    return code if 0 <= code <= 255 else 1
