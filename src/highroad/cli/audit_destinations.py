"""Where the audit log is sent on: list, add, test, pause, resume and remove destinations."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago


@command("list")
def list_destinations(invocation: Invocation) -> None:
    """List the destinations, how far each got, and what went wrong last."""
    with invocation.client() as client:
        found = list(client.items("/audit/destinations"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["name"],
            "failing" if each["failures"] and each["state"] == "active" else each["state"],
            each["delivered"],
            ago(each.get("delivered_at")),
            each["shown"],
            each["error"],
        )
        for each in found
    ]
    headers = ("NAME", "STATE", "DELIVERED", "LAST", "TO", "ERROR")
    invocation.output.table(headers, rows, empty="No destination: highroad audit destinations add NAME URL")


@command("add")
@click.argument("name")
@click.argument("address", metavar="URL")
@click.option(
    "--mode",
    type=click.Choice(["structured", "binary"]),
    default="structured",
    show_default=True,
    help="How a webhook gets a CloudEvent.",
)
@click.option(
    "--format",
    "message_format",
    type=click.Choice(["cloudevents", "ocsf"]),
    default="cloudevents",
    show_default=True,
    help="What a syslog message says.",
)
@click.option("--authorization", is_flag=True, help="Ask for, or read from stdin, the value of a header Authorization.")
@click.option("--from-beginning", is_flag=True, help="Also send what happened before.")
def add(
    invocation: Invocation,
    name: str,
    address: str,
    mode: str,
    message_format: str,
    authorization: bool,
    from_beginning: bool,
) -> None:
    """Send the audit log to https://HOST/PATH, syslog+tls://HOST:PORT, syslog+tcp:// or syslog+udp://. Prints a
    webhook's signing secret, alone on stdout and this once."""
    body = {"name": name, "url": address, "mode": mode, "format": message_format, "from_beginning": from_beginning}
    if authorization:
        body["authorization"] = click.prompt("Authorization", hide_input=True, err=True)
    with invocation.client() as client:
        made = client.post("/audit/destinations", body)
    invocation.output.document(made)
    invocation.output.note(
        f"{name}: sent to {made['shown']} from now on. Try it: highroad audit destinations test {name}"
    )
    if made.get("secret"):
        invocation.output.note("Its signing secret, shown this once:")
        invocation.output.say(str(made["secret"]))


@command("test")
@click.argument("name")
def test(invocation: Invocation, name: str) -> int:
    """Send one event at once and say whether it was taken. Ends with 1 when not."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.post(path_of("audit", "destinations", name, "test"))
    invocation.output.document(found)
    invocation.output.say(
        f"{name} took {found['event']}." if found["delivered"] else f"Not delivered: {found['error']}"
    )
    return 0 if found["delivered"] else 1


@command("pause")
@click.argument("name")
def pause(invocation: Invocation, name: str) -> None:
    """Send nothing more until it is resumed; nothing is lost meanwhile, as long as it is kept."""
    _set_state(invocation, name, "paused")


@command("resume")
@click.argument("name")
def resume(invocation: Invocation, name: str) -> None:
    """Go on where it had got to, at once, also after failures."""
    _set_state(invocation, name, "active")


def _set_state(invocation: Invocation, name: str, state: str) -> None:
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.patch(path_of("audit", "destinations", name), {"state": state})
    invocation.output.document(changed)
    invocation.output.say(f"{changed['name']} is {changed['state']}.")


@command("rotate")
@click.argument("name")
def rotate(invocation: Invocation, name: str) -> None:
    """Make a new signing secret for a webhook; the former one signs beside it for a day."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        made = client.post(path_of("audit", "destinations", name, "secret"))
    invocation.output.document(made)
    invocation.output.note("The new signing secret, shown this once:")
    invocation.output.say(str(made["secret"]))


@command("remove")
@click.argument("name")
def remove(invocation: Invocation, name: str) -> None:
    """Send it no more. What was sent stays with the receiver."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("audit", "destinations", name))
    invocation.output.document({"name": name, "removed": True})
    invocation.output.say(f"{name} gets no more events.")


destinations = group(
    "destinations",
    list_destinations,
    add,
    test,
    pause,
    resume,
    rotate,
    remove,
    help="Where the audit log is sent on: webhooks and syslog.",
)
