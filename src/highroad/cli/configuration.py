"""`highroad config`: variables of a project, an environment, a service, or a service in one environment.

A change is rolled out as a deployment at once, unless `--no-deploy` says to wait for the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from highroad.cli.command import command, completed_by, group
from highroad.cli.failures import Usage
from highroad.cli.following import watch_deployment
from highroad.cli.invocation import Invocation
from highroad.cli.output import clean
from highroad.client.problems import Json
from highroad.errors import Forbidden, NotFound
from highroad.kit import dotenv

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEARLY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")  # a name with a wrong character, not a pasted secret


class NoSuchVariable(NotFound):
    code = "no-such-variable"
    title = "There is no such variable"


class IsSecret(Forbidden):
    code = "is-a-secret"
    title = "Secrets are not shown here"


def scoped(function: Callable[..., None]) -> Callable[..., None]:
    for flag, text in (
        ("--service-wide", "For the service in every environment."),
        ("--environment-wide", "For every service in the environment."),
        ("--project-wide", "For every service in every environment of the project."),
    ):
        function = click.option("scope", flag, flag_value=flag.removeprefix("--"), help=text)(function)
    return function


def changing(function: Callable[..., None]) -> Callable[..., None]:
    function = click.option("--no-deploy", is_flag=True, help="Take effect with the next deployment, not now.")(
        function
    )
    function = click.option("-d", "--detach", is_flag=True, help="Return at once instead of following.")(function)
    return scoped(function)


@command("list", needs="service")
@scoped
def list_variables(invocation: Invocation, scope: str | None) -> None:
    """List variables and where they come from; without a scope, all that the service gets in the environment."""
    path, params = where(invocation, scope)
    with invocation.client() as client:
        found = client.get(path, **params)
        whole = scope is None and not invocation.output.json
        placement = client.get(invocation.target.placement_path) if whole else {}
    invocation.output.document(found)
    rows = [(each["name"], each.get("scope"), _shown(each)) for each in found.get("items") or []]
    invocation.output.table(("NAME", "FROM", "VALUE"), rows, empty="No variables: highroad config set NAME=value")
    if placement.get("configuration") == "earlier":
        invocation.output.note("What runs has earlier values, as after a rollback. Roll these out: highroad restart")


@command("get", needs="service")
@click.argument("name", shell_complete=completed_by("variable"))
@scoped
def get_variable(invocation: Invocation, name: str, scope: str | None) -> None:
    """Print the value of one variable, alone."""
    path, params = where(invocation, scope)
    with invocation.client() as client:
        items = client.get(path, **params).get("items") or []
    found = next((each for each in items if each["name"] == name), None)
    if found is None:
        raise NoSuchVariable(f"{name} is not set here.", next_step="highroad config list")
    if found.get("value") is None:
        raise IsSecret(f"{name} is a secret.", next_step=f"highroad secrets reveal {name}")
    invocation.output.document(found)
    invocation.output.say(str(found.get("value", "")))


@command("set", needs="service")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE...")
@changing
def set_variables(
    invocation: Invocation, assignments: tuple[str, ...], scope: str | None, no_deploy: bool, detach: bool
) -> None:
    """Set variables and roll them out."""
    wanted: dict[str, str] = {}
    for number, each in enumerate(assignments, start=1):
        name, equals, value = each.partition("=")
        if equals and value.strip("=") and _NEARLY.fullmatch(name) and not _NAME.fullmatch(name):
            better = re.sub(r"\W", "_", name).upper()
            raise Usage(
                f"{name} cannot be the name of a variable: letters, digits and _ only, no digit first.",
                next_step=f"Call it {better}, for example: highroad config set {better}=...",
            )
        if not equals or not _NAME.fullmatch(name):
            # The argument is not repeated: it may be a secret that was pasted without its name.
            raise Usage(
                f"Argument {number} is not NAME=VALUE.", next_step="Write it like: highroad config set KEY=value"
            )
        wanted[name] = value
    _patch(invocation, scope, {"set": wanted, "unset": []}, deploy=not no_deploy, detach=detach)


@command("unset", needs="service")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completed_by("variable"))
@changing
def unset_variables(
    invocation: Invocation, names: tuple[str, ...], scope: str | None, no_deploy: bool, detach: bool
) -> None:
    """Remove variables and roll that out."""
    _patch(invocation, scope, {"set": {}, "unset": list(names)}, deploy=not no_deploy, detach=detach)


@command("import", needs="service")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@changing
def import_variables(invocation: Invocation, file: Path, scope: str | None, no_deploy: bool, detach: bool) -> None:
    """Set all variables of a .env file (- for stdin) and roll them out."""
    with click.open_file(str(file), encoding="utf-8") as stream:
        try:
            wanted = dotenv.parse(stream.read(), file=str(file))
        except UnicodeDecodeError as error:
            raise dotenv.BadDotenv(f"{file} is not UTF-8 text.", next_step=f"Save {file} as UTF-8.") from error
    if not wanted:
        raise Usage(f"{file} sets no variables.", next_step="Write lines like KEY=value into it.")
    _patch(invocation, scope, {"set": wanted, "unset": []}, deploy=not no_deploy, detach=detach)


def _patch(invocation: Invocation, scope: str | None, change: dict[str, object], *, deploy: bool, detach: bool) -> None:
    path, params = where(invocation, scope)
    with invocation.client() as client:
        answer = client.patch(path, {**change, "deploy": deploy}, **params)
        started: list[Json] = answer.get("deployments") or []
        _say_change(invocation, change, started)
        if detach or not started:
            invocation.output.document(answer)
            return
        ended = [watch_deployment(invocation, client, each, document=False) for each in started]
        invocation.output.document({**answer, "deployments": ended})


def _say_change(invocation: Invocation, change: dict[str, object], started: list[Json]) -> None:
    for verb in ("set", "unset"):
        names = change[verb]
        if isinstance(names, dict | list) and names:
            invocation.output.say(f"{verb.capitalize()} {', '.join(names)}.")
    if not started:
        invocation.output.say("It takes effect with the next deployment: highroad restart")


def where(invocation: Invocation, scope: str | None) -> tuple[str, dict[str, str]]:
    if scope == "project-wide":
        return f"{invocation.project_path}/variables", {}
    if scope == "environment-wide":
        return f"{invocation.environment_path}/variables", {}
    target = invocation.target
    return f"{target.service_path}/variables", {} if scope == "service-wide" else {"environment": target.environment}


def _shown(variable: Json) -> str:
    if variable.get("value") is None:
        return "(secret)"
    value = clean(str(variable["value"])).replace("\n", "\\n")
    return f"-> {value}" if variable.get("kind") == "alias" else value


config = group(
    "config",
    list_variables,
    get_variable,
    set_variables,
    unset_variables,
    import_variables,
    help="List, set, unset and import variables. A change is deployed at once unless --no-deploy says otherwise.",
)
