"""access and roles: who has which role where, and what the roles mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from highroad.cli.command import command, completed_by, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.client.problems import Json

_MODES = ("development", "staging", "production", "preview", "sandbox")


@command("list", needs="project")
@click.option("--all-projects", is_flag=True, help="Of the whole organization, not of one project.")
@click.option("--role", help="Only grants of this role.")
def list_grants(invocation: Invocation, all_projects: bool, role: str | None) -> None:
    """List who has which role in the project."""
    project = None if all_projects else invocation.project
    with invocation.client() as client:
        listed = client.items("/access/grants", project=project)
        found = [each for each in listed if role in (None, each.get("role"))]
    invocation.output.document({"items": found})
    rows = [
        (
            each["id"],
            each.get("kind"),
            each.get("holder"),
            each.get("project") or "all",
            each.get("mode") or "all",
            each.get("role"),
            _until(each),
        )
        for each in found
    ]
    headers = ("ID", "KIND", "WHO", "PROJECT", "MODE", "ROLE", "UNTIL")
    invocation.output.table(headers, rows, empty="Nobody has a role here: highroad access grant --help")


@command("grant", needs="project")
@click.option("--user", help="A person, by email address.")
@click.option("--team", help="A team, by name.")
@click.option("--account", help="A service account, by name.")
@click.option("--all-projects", is_flag=True, help="In every project, also those to come.")
@click.option("--mode", type=click.Choice(_MODES), help="In environments of this mode; default: of every mode.")
@click.option("--role", help="viewer, deployer, manager, none, or a role of your company.")
@click.option("--preset", help="Roles for every mode at once, e.g. junior-developer: highroad access presets")
@click.option("--until", metavar="DATE", help="When it ends: 2027-01-31, or an instant.")
@click.option("--days", type=click.IntRange(1, 3650), help="In how many days it ends.")
def grant(
    invocation: Invocation,
    user: str | None,
    team: str | None,
    account: str | None,
    all_projects: bool,
    mode: str | None,
    role: str | None,
    preset: str | None,
    until: str | None,
    days: int | None,
) -> None:
    """Give a person, a team or a service account a role in the project."""
    kind, holder = _holder(user, team, account)
    if (role is None) == (preset is None) or (preset and mode):
        raise Usage(
            "Name either a role, for all modes or one, or a preset.",
            next_step="--role deployer --mode staging, or --preset junior-developer",
        )
    project = None if all_projects else invocation.project
    ends = _ends(until, days)
    body: dict[str, object] = {"kind": kind, "holder": holder, "project": project, "expires_at": ends}
    with invocation.client() as client:
        if preset:
            made = client.post("/access/presets", {**body, "preset": preset})
        else:
            made = client.post("/access/grants", {**body, "role": role, "mode": mode})
    invocation.output.document(made)
    where = project or "all projects"
    for each in made.get("items", [made]):
        invocation.output.say(f"{holder} is {each.get('role')} in {where}, {each.get('mode') or 'every mode'}.")


@command("withdraw")
@click.argument("identity", metavar="ID")
def withdraw(invocation: Invocation, identity: str) -> None:
    """Take a granted role back."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("access", "grants", identity))
    invocation.output.document({"id": identity, "withdrawn": True})
    invocation.output.say(f"Withdrew {identity}.")


@command("presets")
def presets(invocation: Invocation) -> None:
    """List the presets, with their role in each mode."""
    with invocation.client() as client:
        found = list(client.items("/access/presets"))
    invocation.output.document({"items": found})
    rows = [(each["name"], *(each["roles"].get(mode, "none") for mode in _MODES)) for each in found]
    invocation.output.table(("PRESET", *(mode.upper() for mode in _MODES)), rows, empty="No presets.")


def _holder(user: str | None, team: str | None, account: str | None) -> tuple[str, str]:
    named = [(kind, name) for kind, name in (("user", user), ("team", team), ("account", account)) if name]
    if len(named) != 1:
        raise Usage("Say who gets the role.", next_step="One of --user EMAIL, --team NAME and --account NAME.")
    return named[0]


def _ends(until: str | None, days: int | None) -> str | None:
    if days is not None:
        return (datetime.now(UTC) + timedelta(days=days)).isoformat()
    if until is None:
        return None
    try:
        found = datetime.fromisoformat(until)
    except ValueError as error:
        raise Usage(f"{until!r} is no date.", next_step="Write it as 2027-01-31 or 2027-01-31T18:00Z.") from error
    return found.astimezone(UTC).isoformat()


def _until(each: Json) -> str:
    return str(each.get("expires_at") or "")[:16].replace("T", " ")


@command("list")
def list_roles(invocation: Invocation) -> None:
    """List the roles, built in and your company's."""
    with invocation.client() as client:
        found = list(client.items("/roles"))
    invocation.output.document({"items": found})
    rows = [
        (each["name"], "built in" if each.get("built_in") else "own", len(each["actions"]), each.get("description"))
        for each in found
    ]
    invocation.output.table(("ROLE", "KIND", "ACTIONS", "MEANING"), rows, empty="No roles.")


@command("show")
@click.argument("name", shell_complete=completed_by("role"))
def show_role(invocation: Invocation, name: str) -> None:
    """Show what a role allows."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        role = client.get(path_of("roles", name))
        meanings = {each["name"]: each["meaning"] for each in client.items("/actions")}
    invocation.output.document(role)
    invocation.output.note(str(role.get("description", "")))
    rows = [(each, meanings.get(each, "")) for each in role["actions"]]
    invocation.output.table(("ACTION", "MEANING"), rows, empty="It allows nothing.")


@command("actions")
def list_actions(invocation: Invocation) -> None:
    """List the actions that a role can consist of."""
    with invocation.client() as client:
        found = [each for each in client.items("/actions") if each.get("grantable")]
    invocation.output.document({"items": found})
    invocation.output.table(("ACTION", "MEANING"), [(each["name"], each["meaning"]) for each in found], empty="None.")


@command("create")
@click.argument("name")
@click.option("--action", "actions", multiple=True, required=True, help="What it allows; may be repeated.")
@click.option("--description", default="", help="What it is for, in a sentence.")
def create_role(invocation: Invocation, name: str, actions: tuple[str, ...], description: str) -> None:
    """Define a role of your company."""
    with invocation.client() as client:
        made = client.post("/roles", {"name": name, "description": description, "actions": list(actions)})
    invocation.output.document(made)
    invocation.output.say(f"Defined {name}. To give it to somebody: highroad access grant --role {name} --team TEAM")


@command("change")
@click.argument("name", shell_complete=completed_by("role"))
@click.option("--action", "actions", multiple=True, help="What it allows, in place of what it did; may be repeated.")
@click.option("--description", help="What it is for, in a sentence.")
def change_role(invocation: Invocation, name: str, actions: tuple[str, ...], description: str | None) -> None:
    """Change a role of your company; it holds at once."""
    from highroad.client.api import path_of

    body: dict[str, object] = {"actions": list(actions)} if actions else {}
    if description is not None:
        body["description"] = description
    with invocation.client() as client:
        changed = client.patch(path_of("roles", name), body)
    invocation.output.document(changed)
    invocation.output.say(f"Changed {name}: {', '.join(changed['actions'])}.")


@command("delete")
@click.argument("name", shell_complete=completed_by("role"))
def delete_role(invocation: Invocation, name: str) -> None:
    """Delete a role of your company that nobody has."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("roles", name))
    invocation.output.document({"name": name, "deleted": True})
    invocation.output.say(f"Deleted {name}.")


access = group("access", list_grants, grant, withdraw, presets, help="List, grant and withdraw roles in projects.")
roles = group(
    "roles",
    list_roles,
    show_role,
    list_actions,
    create_role,
    change_role,
    delete_role,
    help="List the roles, and define your company's own.",
)
