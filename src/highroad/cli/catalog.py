"""What there is: projects, environments, services and domains, and how to delete them."""

from __future__ import annotations

import sys

import click

from highroad.cli.command import command, completed_by, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago

_MODES = ("development", "staging", "production", "preview", "sandbox")


@command("projects")
def projects(invocation: Invocation) -> None:
    """List the projects of the installation."""
    with invocation.client() as client:
        found = list(client.items("/projects"))
    invocation.output.document({"items": found})
    rows = [(each["name"], ago(each.get("created_at"))) for each in found]
    invocation.output.table(("PROJECT", "CREATED"), rows, empty="No project yet: highroad init")


@command("services", needs="project")
def services(invocation: Invocation) -> None:
    """List the services of the project and where they are live."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.project_path}/services"))
    invocation.output.document({"items": found})
    rows = [
        (each["name"], each.get("path") or ".", place.get("environment"), place.get("state"), place.get("url"))
        for each in found
        for place in each.get("environments") or [{}]
    ]
    invocation.output.table(
        ("SERVICE", "PATH", "ENVIRONMENT", "STATE", "URL"), rows, empty="No service yet: highroad init"
    )


@command("list", needs="project")
def list_environments(invocation: Invocation) -> None:
    """List the environments of the project and the branch that each deploys."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.project_path}/environments"))
    invocation.output.document({"items": found})
    rows = [(each["name"], each.get("mode"), each.get("branch"), ago(each.get("created_at"))) for each in found]
    invocation.output.table(("ENVIRONMENT", "MODE", "BRANCH", "CREATED"), rows, empty="No environment yet.")


@command("create", needs="project")
@click.argument("name")
@click.option("--mode", type=click.Choice(_MODES), default="staging", show_default=True, help="What it is for.")
@click.option("--branch", help="Deploy every push to this branch; default: none.")
def create_environment(invocation: Invocation, name: str, mode: str, branch: str | None) -> None:
    """Create an environment in the project."""
    with invocation.client() as client:
        made = client.post(f"{invocation.project_path}/environments", {"name": name, "mode": mode, "branch": branch})
    invocation.output.document(made)
    deploys = f"; it deploys pushes to {branch}" if branch else ""
    invocation.output.say(f"Created environment {made.get('name', name)} in {invocation.project}{deploys}.")


@command("delete", needs="project")
@click.argument("name", shell_complete=completed_by("environment"))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete_environment(invocation: Invocation, name: str, yes: bool) -> None:
    """Delete an environment with everything that runs in it."""
    from highroad.client.api import path_of

    path = f"{invocation.project_path}{path_of('environments', name)}"
    _delete(
        invocation, path, name, f"environment {name} of {invocation.project} and everything that runs in it", yes=yes
    )


@command("list", needs="service")
def list_domains(invocation: Invocation) -> None:
    """List the domains of the service in the environment."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.target.placement_path}/domains"))
    invocation.output.document({"items": found})
    invocation.output.table(("DOMAIN",), [(each.get("host"),) for each in found], empty="No domains of its own.")


@command("add", needs="service")
@click.argument("host")
def add_domain(invocation: Invocation, host: str) -> None:
    """Serve the service under a domain of yours, too."""
    with invocation.client() as client:
        made = client.post(f"{invocation.target.placement_path}/domains", {"host": host})
    invocation.output.document(made)
    invocation.output.say(f"{host} leads to {invocation.target.service} as soon as its DNS points here.")


@command("remove", needs="service")
@click.argument("host", shell_complete=completed_by("domain"))
def remove_domain(invocation: Invocation, host: str) -> None:
    """Stop serving the service under a domain."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(f"{invocation.target.placement_path}{path_of('domains', host)}")
    invocation.output.document({"host": host, "removed": True})
    invocation.output.say(f"{host} no longer leads to {invocation.target.service}.")


@command("service", needs="service")
@click.argument("name", required=False, shell_complete=completed_by("service"))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def destroy_service(invocation: Invocation, name: str | None, yes: bool) -> None:
    """Delete a service: its repository, releases, variables, logs and everything that runs."""
    from highroad.client.api import path_of

    name = name or invocation.target.service
    path = f"{invocation.project_path}{path_of('services', name)}"
    what = f"service {name} of {invocation.project} with its repository, releases, variables and logs"
    _delete(invocation, path, name, what, yes=yes)


@command("project", needs="project")
@click.argument("name", required=False, shell_complete=completed_by("project"))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def destroy_project(invocation: Invocation, name: str | None, yes: bool) -> None:
    """Delete a project with all its services and environments."""
    from highroad.client.api import path_of

    name = name or invocation.project
    _delete(
        invocation, path_of("projects", name), name, f"project {name} with all its services and environments", yes=yes
    )


def _delete(invocation: Invocation, path: str, name: str, what: str, *, yes: bool) -> None:
    """Delete after the person typed the name. What they saw is what goes: a change in between is refused (If-Match)."""
    with invocation.client() as client:
        seen = client.fetch(path)
        if not yes:
            _confirm(name, what)
        client.delete(path, if_match="" if yes else seen.etag)
    invocation.output.document({"name": name, "deleted": True})
    invocation.output.say(f"Deleted {what}.")


def _confirm(name: str, what: str) -> None:
    if not sys.stdin.isatty():
        raise Usage(f"This deletes {what}, and nobody is here to confirm it.", next_step="Add --yes if you mean it.")
    typed = click.prompt(
        f"This deletes {what} for good. Type {name} to confirm", err=True, default="", show_default=False
    )
    if typed != name:
        raise Usage(
            f"You typed {typed!r}, not {name!r}; nothing was deleted.", next_step="Run it again if you mean it."
        )


environments = group(
    "environments",
    list_environments,
    create_environment,
    delete_environment,
    help="List, create and delete environments.",
)
domains = group("domains", list_domains, add_domain, remove_domain, help="List, add and remove domains.")


destroy = click.Group(
    "destroy",
    commands=[destroy_service, destroy_project],
    help="Delete a service or a project for good, after its name was typed.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
