"""`highroad vaults`, external stores of secrets, and `highroad sealing`, the keys that our own are sealed with."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from urllib.parse import quote

import click

from highroad.cli.command import command, group
from highroad.cli.failures import OperationFailed, Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

_ROTATION_SECONDS = 600.0


@command("list")
def list_vaults(invocation: Invocation) -> None:
    """List the connected stores."""
    with invocation.client() as client:
        found = client.get("/vaults")
    invocation.output.document(found)
    rows = [
        (
            each["name"],
            each["kind"],
            each["address"] or each["command"],
            each["mount"] if each["kind"] == "vault" else "",
            each["prefix"],
            "every one" if each["every_project"] else ", ".join(each["projects"]) or "none",
            each["sign_in"],
        )
        for each in found.get("items") or []
    ]
    headings = ("NAME", "KIND", "WHERE", "MOUNT", "PREFIX", "PROJECTS", "SIGN-IN")
    invocation.output.table(headings, rows, empty="No stores: highroad vaults add NAME --address URL --token")


def _fields(function: Callable[..., None]) -> Callable[..., None]:
    for flag, text in (
        ("--address", "Of a Vault or OpenBao: http(s)://host:port."),
        ("--mount", "Its key-value engine, version 2 (secret)."),
        ("--namespace", "Its namespace."),
        ("--auth-mount", "Of its AppRole method (approle)."),
        ("--prefix", "Paths have to begin with it; {project} in it is the project that asks."),
        ("--command", "A program of the operator instead of a Vault: its name in DATA/vault-commands."),
        ("--role-id", "Sign in by AppRole; its secret id is asked for, or read from stdin."),
    ):
        function = click.option(flag, help=text)(function)
    return click.option("--token", is_flag=True, help="Sign in by a token, which is asked for, or read from stdin.")(
        function
    )


@command("add")
@click.argument("name")
@_fields
@click.option("--project", "projects", multiple=True, metavar="NAME", help="Read it for this project; several times.")
@click.option("--every-project", is_flag=True, help="Read it for every project, also for those to come.")
def add_vault(
    invocation: Invocation,
    name: str,
    token: bool,
    projects: tuple[str, ...],
    every_project: bool,
    **fields: str | None,
) -> None:
    """Connect a HashiCorp Vault, an OpenBao, or a command. It is read for the named projects only."""
    body = _body(token, fields)
    body |= {"projects": list(projects)} if projects else {}
    body |= {"every_project": True} if every_project else {}
    kind = "command" if "command" in body else "vault"
    with invocation.client() as client:
        made = client.post("/vaults", {"name": name, "kind": kind, **body})
    invocation.output.document(made)
    invocation.output.say(f"Connected {name}.")
    if not projects and not every_project:
        invocation.output.note(f"No project may read it yet: highroad vaults allow {name} PROJECT")
    invocation.output.note(f"Try it: highroad vaults try {name} PATH")


@command("set")
@click.argument("name")
@_fields
@click.option(
    "--every-project/--only-named-projects", default=None, help="Read it for every project, or for those allowed."
)
def set_vault(invocation: Invocation, name: str, token: bool, every_project: bool | None, **fields: str | None) -> None:
    """Change a store; what is not named stays."""
    body = _body(token, fields)
    body |= {} if every_project is None else {"every_project": every_project}
    with invocation.client() as client:
        changed = client.patch(f"/vaults/{quote(name, safe='')}", body)
    invocation.output.document(changed)
    invocation.output.say(f"Changed {name}.")


@command("allow")
@click.argument("name")
@click.argument("project")
def allow_vault(invocation: Invocation, name: str, project: str) -> None:
    """Read a store for one more project."""
    _read_for(invocation, name, "allow", project, f"{name} is read for {project}.")


@command("deny")
@click.argument("name")
@click.argument("project")
def deny_vault(invocation: Invocation, name: str, project: str) -> None:
    """Read a store for a project no more. What runs keeps its values; deployments that need it fail."""
    _read_for(invocation, name, "deny", project, f"{name} is read for {project} no more.")


def _read_for(invocation: Invocation, name: str, verb: str, project: str, done: str) -> None:
    with invocation.client() as client:
        changed = client.post(f"/vaults/{quote(name, safe='')}/{verb}", {"project": project})
    invocation.output.document(changed)
    invocation.output.say(done)


@command("remove")
@click.argument("name")
def remove_vault(invocation: Invocation, name: str) -> None:
    """Disconnect a store that no secret is read from."""
    with invocation.client() as client:
        client.delete(f"/vaults/{quote(name, safe='')}")
    invocation.output.document({"removed": name})
    invocation.output.say(f"Disconnected {name}.")


@command("try")
@click.argument("name")
@click.argument("path")
def try_vault(invocation: Invocation, name: str, path: str) -> None:
    """Ask a store for an entry and print the names of its keys."""
    with invocation.client() as client:
        found = client.post(f"/vaults/{quote(name, safe='')}/try", {"path": path})
    invocation.output.document(found)
    for key in found["keys"]:
        invocation.output.say(str(key))


def _body(token: bool, fields: dict[str, str | None]) -> dict[str, object]:
    body: dict[str, object] = {name: value for name, value in fields.items() if value is not None}
    if token and "role_id" in body:
        raise Usage("A store takes a token or an AppRole.", next_step="Leave one of --token and --role-id out.")
    if token or "role_id" in body:
        words = "Token" if token else "Secret id"
        terminal = sys.stdin.isatty()
        read = click.prompt(words, hide_input=True, err=True) if terminal else sys.stdin.read().strip()
        body["token" if token else "secret_id"] = read
    return body


vaults = group(
    "vaults",
    list_vaults,
    add_vault,
    set_vault,
    allow_vault,
    deny_vault,
    remove_vault,
    try_vault,
    help="Connect external stores of secrets: HashiCorp Vault, OpenBao, or any command.",
)


@command("status")
def sealing_status(invocation: Invocation) -> None:
    """Show the keys that secrets are sealed with, by their ids."""
    with invocation.client() as client:
        found = client.get("/sealing")
    _say_status(invocation, found)


@command("rotate")
@click.option("--master", is_flag=True, help="The master key, and not the data key.")
@click.option("-d", "--detach", is_flag=True, help="Return at once instead of waiting until all is sealed anew.")
def rotate(invocation: Invocation, master: bool, detach: bool) -> None:
    """Rotate the data key, or the master key that wraps it. Everything goes on meanwhile."""
    with invocation.client() as client:
        found = client.post("/sealing/rotate", {"master": master})
        deadline = time.monotonic() + _ROTATION_SECONDS
        while found["rotating"] and not detach:
            if time.monotonic() > deadline:
                raise OperationFailed(
                    "The rotation takes its time",
                    "Not everything is sealed anew yet; it goes on.",
                    next_step="highroad sealing status",
                )
            time.sleep(1.0)
            found = client.get("/sealing")
    _say_status(invocation, found)
    for name in found["old_master_files"]:
        invocation.output.note(f"{name} opens backups of before: move it to where you keep those, away from here.")


def _say_status(invocation: Invocation, found: Json) -> None:
    invocation.output.document(found)
    invocation.output.say(f"Master key {found['master']} from {found['master_from']}")
    rows = [
        (
            each["id"],
            each["master"],
            "retired" if each["retired_at"] else "active",
            str(each["sealed"]),
            ago(each["created_at"]),
        )
        for each in found["keys"]
    ]
    invocation.output.table(("DATA KEY", "MASTER", "STATE", "SEALED", "MADE"), rows, empty="No keys.")


sealing = group(
    "sealing", sealing_status, rotate, help="Show and rotate the keys that secrets are sealed with in the database."
)
