"""Who may do what at the command line: the access review."""

from __future__ import annotations

from pathlib import Path

import click

from highroad.cli.command import command
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago


@command("review")
@click.argument("action", default="deployment:write")
@click.option("--mode", default="production", show_default=True, help="Environments of this mode, or all.")
@click.option("-p", "--project", help="Only this project; default: all.")
@click.option("-e", "--environment", help="Only environments of this name.")
@click.option("--csv", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write a table into this file.")
def review(
    invocation: Invocation, action: str, mode: str, project: str | None, environment: str | None, file: Path | None
) -> None:
    """Show who may do an action, why, since when, and when they last did. The review is recorded."""
    asked = {"action": action, "mode": mode, "project": project, "environment": environment}
    with invocation.client() as client:
        if file is not None:
            with file.open("wb") as out:
                client.download("/audit/access-review/csv", out.write, **asked)
            invocation.output.document({"file": str(file)})
            invocation.output.say(str(file))
            return
        found = client.get("/audit/access-review", **asked)
    invocation.output.document(found)
    rows = [
        (
            each["who"] if each["kind"] != "token" else f"  {each['id']}",
            each["kind"],
            each["place"],
            ago(each["since"]),
            str(each["expires_at"] or "")[:10],
            ago(each["last_used"]) or each["hint"],
            each["reason"],
        )
        for each in found["items"]
    ]
    headers = ("WHO", "KIND", "WHERE", "SINCE", "EXPIRES", "LAST USED", "WHY")
    invocation.output.table(headers, rows, empty=f"Nobody may {action} there.")
