"""The audit log at the command line: search, one event, exports, where it is sent on, and who may do what."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from highroad.cli.audit_destinations import destinations
from highroad.cli.audit_proof import checkpoint, key, prove, retention, verify, witness
from highroad.cli.audit_review import review
from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.happening import moment
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

if TYPE_CHECKING:
    from highroad.client.api import Client

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FILTERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("--actor",), "Who: an email address, a name or an id."),
    (("--kind", "actor_kind"), "user, service, policy or system."),
    (("--token",), "The id of a token."),
    (("--origin",), "portal, cli, api, git or system."),
    (("--address",), "From where: 10.2.0.7, 10.2. or 10.2.0.0/16."),
    (("--action",), "deployment:write, or deployment:*."),
    (("--type",), "What: user, user.signedin, service.deployed."),
    (("-p", "--project"), "In this project."),
    (("-e", "--environment"), "In this environment."),
    (("-s", "--service"), "About this service."),
    (("--subject",), "The id of what it is about."),
    (("--decision",), "allowed or refused."),
    (("--policy",), "A part of the id of a policy that decided."),
    (("--request",), "The id of a request."),
    (("--since",), "From this instant on: 2026-11-22, 24h or 7d ago."),
    (("--until",), "Before this instant."),
    (("--text",), "What stands anywhere in the event."),
)


class BadInstant(Usage):
    code = "bad-instant"
    title = "This is no instant"


def _filtered(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the options to choose events by."""
    for names, meaning in reversed(_FILTERS):
        function = click.option(*names, help=meaning)(function)
    return function


def _asked(values: dict[str, Any]) -> dict[str, Any]:
    instants = {name: _instant(name, values[name]) for name in ("since", "until") if values.get(name)}
    return {name: value for name, value in {**values, **instants}.items() if value is not None}


def _instant(name: str, text: str) -> str:
    """RFC 3339 for an instant, a date, or a distance from now."""
    found = _AGO.fullmatch(text)
    if found:
        return (datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})).isoformat()
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:
        raise BadInstant(
            f"--{name} {text!r} is neither an instant nor a distance.", next_step=f"--{name} 7d, or --{name} 2026-11-22"
        ) from error


@command("search")
@click.option("-n", "limit", default=50, show_default=True, type=click.IntRange(1), help="How many, newest first.")
@_filtered
def search(invocation: Invocation, limit: int, **values: Any) -> None:
    """Search the audit log, newest first, by anything that is known of an event. The search is recorded."""
    with invocation.client() as client:
        found = list(client.items("/audit/events", limit=limit, **_asked(values)))
    invocation.output.document({"items": found})
    rows = [
        (moment(str(each["time"])), each["id"], each["actor"], _origin(each), each["what"], _right(each), _place(each))
        for each in found
    ]
    headers = ("TIME", "ID", "WHO", "FROM", "WHAT", "BY", "WHERE")
    invocation.output.table(headers, rows, empty="No event fits.")


def _origin(event: Json) -> str:
    return " ".join(str(each) for each in (event.get("origin"), event.get("address")) if each)


def _right(event: Json) -> str:
    """The deciding policy, or that it was refused."""
    return "refused" if event.get("decision") == "refused" else str(event.get("policy") or "")


def _place(event: Json) -> str:
    return "/".join(str(event[key]) for key in ("project", "service", "environment") if event.get(key))


@command("show")
@click.argument("identity", metavar="ID")
def show(invocation: Invocation, identity: str) -> None:
    """Show one event: who, what, where, when, by which right, and what it changed."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.get(path_of("audit", "events", identity))
    output = invocation.output
    output.document(found)
    output.say(f"{found['what']}  ({found['id']}, number {found['seq']})")
    facts = (
        ("When", f"{found['time']} ({ago(found['time'])})"),
        ("Who", _named(found)),
        ("From", _origin(found)),
        ("Where", _place(found)),
        ("About", found.get("subject")),
        ("Right", " ".join(str(found[key]) for key in ("action", "decision", "policy") if found.get(key))),
        ("Request", found.get("request")),
    )
    for name, value in facts:
        if value:
            output.say(f"  {name + ':':<9}{value}")
    for field, change in (found.get("changes") or {}).items():
        output.say(f"  {field}: {change.get('before')} -> {change.get('after')}")


def _named(event: Json) -> str:
    token = f", token {event['token']}" if event.get("token") else ""
    return f"{event.get('actor')} ({event.get('actor_kind') or 'unknown'} {event.get('actor_id') or ''}{token})"


@command("export")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "csv", "ocsf", "cloudevents"]),
    default="jsonl",
    show_default=True,
    help="jsonl can be verified offline.",
)
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="Default: stdout.")
@_filtered
def export(invocation: Invocation, file_format: str, file: Path | None, **values: Any) -> None:
    """Write the events that fit into a file, oldest first. The export is recorded."""
    asked = {"format": file_format, **_asked(values)}
    with invocation.client(timeout=300.0) as client:
        if file is None:
            client.download("/audit/export", sys.stdout.buffer.write, **asked)
            sys.stdout.flush()
            return
        _save(client, file, asked)
    size = file.stat().st_size
    invocation.output.document({"file": str(file), "format": file_format, "bytes": size})
    invocation.output.say(f"{file}: {size:,} bytes.")
    if file_format == "jsonl":
        invocation.output.note(f"Verify it, here or anywhere: highroad audit verify {file}")


def _save(client: Client, file: Path, asked: dict[str, str]) -> None:
    """Under its name only when it is whole."""
    part = file.with_name(f".{file.name}.part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            client.download("/audit/export", out.write, **asked)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


audit = group(
    "audit",
    search,
    show,
    export,
    verify,
    prove,
    checkpoint,
    key,
    retention,
    witness,
    review,
    destinations,
    help="Search, export, verify and send on the audit log.",
)
