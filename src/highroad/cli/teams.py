"""teams: who belongs together, nested, and which projects a team owns."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.client.problems import Json


@command("list")
def list_teams(invocation: Invocation) -> None:
    """List the teams, each below the one that it belongs to."""
    with invocation.client() as client:
        found = list(client.items("/teams"))
    invocation.output.document({"items": found})
    rows = [(f"{'  ' * level}{each['name']}", each.get("title")) for level, each in _tree(found, None, 0)]
    invocation.output.table(("TEAM", "TITLE"), rows, empty="No team yet: highroad teams create NAME")


def _tree(found: list[Json], parent: str | None, level: int) -> list[tuple[int, Json]]:
    rows: list[tuple[int, Json]] = []
    for each in found:
        if each.get("parent") == parent and level < 50:
            rows += [(level, each), *_tree(found, each["name"], level + 1)]
    return rows


@command("show")
@click.argument("team")
def show_team(invocation: Invocation, team: str) -> None:
    """Show a team with its members and where each membership comes from."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.get(path_of("teams", team))
    output = invocation.output
    output.document(found)
    output.say(f"{found['name']}: {found.get('title')}")
    if found.get("parent"):
        output.say(f"  below {found['parent']}")
    if found.get("children"):
        output.say(f"  above {', '.join(found['children'])}")
    rows = [
        (
            each.get("email"),
            each.get("name"),
            ",".join(each.get("sources") or []),
            "yes" if each.get("active") else "no",
        )
        for each in found.get("members") or []
    ]
    output.table(("MEMBER", "NAME", "FROM", "ACTIVE"), rows, empty="Nobody is in this very team.")


@command("create")
@click.argument("name")
@click.option("--title", default="", help="What people read; default: the name.")
@click.option("--parent", help="The team that it is below.")
def create_team(invocation: Invocation, name: str, title: str, parent: str | None) -> None:
    """Create a team. Its name stays: policies are written with it."""
    with invocation.client() as client:
        made = client.post("/teams", {"name": name, "title": title, "parent": parent})
    invocation.output.document(made)
    invocation.output.say(f"Created {name}. Put somebody in: highroad teams add {name} EMAIL")


@command("change")
@click.argument("team")
@click.option("--title", help="What people read.")
@click.option("--parent", help="The team that it is to be below.")
@click.option("--top", is_flag=True, help="Below no other team.")
def change_team(invocation: Invocation, team: str, title: str | None, parent: str | None, top: bool) -> None:
    """Give a team another title, or put it below another one."""
    from highroad.client.api import path_of

    if parent and top:
        raise Usage("Below a team and below none cannot both be.", next_step="Leave one of the two out.")
    changes: Json = {"title": title} if title is not None else {}
    if parent or top:
        changes["parent"] = parent
    with invocation.client() as client:
        changed = client.patch(path_of("teams", team), changes)
    invocation.output.document(changed)
    below = f", below {changed['parent']}" if changed.get("parent") else ""
    invocation.output.say(f"{changed['name']} is {changed.get('title')}{below}.")


@command("delete")
@click.argument("team")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete_team(invocation: Invocation, team: str, yes: bool) -> None:
    """Delete a team with its memberships and grants; teams right below it move up."""
    from highroad.client.api import path_of

    if not yes:
        click.confirm(f"Delete {team} with its memberships and grants?", abort=True, err=True)
    with invocation.client() as client:
        gone = client.delete(path_of("teams", team)) or {}
    invocation.output.document(gone)
    moved = gone.get("moved_up") or []
    invocation.output.say(f"Deleted {team}." + (f" Moved up: {', '.join(moved)}." if moved else ""))


@command("add")
@click.argument("team")
@click.argument("who", metavar="EMAIL|ACCOUNT")
def add_member(invocation: Invocation, team: str, who: str) -> None:
    """Put a person or a service account into a team."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.put(path_of("teams", team, "members", who), {})
    invocation.output.document(found)
    invocation.output.say(f"{who} is in {team}.")


@command("remove")
@click.argument("team")
@click.argument("who", metavar="EMAIL|ACCOUNT")
def remove_member(invocation: Invocation, team: str, who: str) -> None:
    """Take somebody out of a team who was put there by hand."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.delete(path_of("teams", team, "members", who))
    invocation.output.document(found)
    invocation.output.say(f"{who} is no longer in {team}.")


@command("own", needs="project")
@click.argument("team")
def own_project(invocation: Invocation, team: str) -> None:
    """Make a team the owner of the project."""
    _give(invocation, team)
    invocation.output.say(f"{team} owns {invocation.project}.")


@command("disown", needs="project")
def disown_project(invocation: Invocation) -> None:
    """Let the project be owned by no team."""
    _give(invocation, None)
    invocation.output.say(f"No team owns {invocation.project}.")


def _give(invocation: Invocation, team: str | None) -> None:
    with invocation.client() as client:
        changed = client.patch(invocation.project_path, {"team": team})
    invocation.output.document(changed)


teams = group(
    "teams",
    list_teams,
    show_team,
    create_team,
    change_team,
    delete_team,
    add_member,
    remove_member,
    own_project,
    disown_project,
    help="List, create and change teams, and say who is in them.",
)
