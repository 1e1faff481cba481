"""`highroad secrets`: written by everybody who may, read by few. Scopes are those of `highroad config`.

A value comes from stdin or a question without echo, never from the command line, where a shell and `ps` would keep it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from highroad.cli.command import command, group
from highroad.cli.configuration import changing, scoped
from highroad.cli.failures import Usage
from highroad.cli.following import watch_deployment
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json
from highroad.errors import NotFound
from highroad.kit import dotenv

if TYPE_CHECKING:
    from highroad.client.api import Client

_SCOPE_OF = {
    None: "service-environment",
    "service-wide": "service",
    "environment-wide": "environment",
    "project-wide": "project",
}


class NoSuchSecret(NotFound):
    code = "no-such-secret"
    title = "There is no such secret"


@command("list", needs="service")
@scoped
def list_secrets(invocation: Invocation, scope: str | None) -> None:
    """List secrets, aliases and files, never their values; without a scope, all that the service gets."""
    with invocation.client() as client:
        found = client.get(_path(invocation), **_where(invocation, scope))
    invocation.output.document(found)
    rows = [
        (
            each["name"],
            each["kind"],
            each["scope"],
            str(each["version"]),
            _detail(each),
            each.get("changed_by") or "",
            ago(each.get("changed_at")),
        )
        for each in found.get("items") or []
    ]
    headings = ("NAME", "KIND", "FROM", "VERSION", "DETAIL", "BY", "CHANGED")
    invocation.output.table(headings, rows, empty="No secrets: highroad secrets set NAME")


@command("set", needs="service")
@click.argument("name")
@click.option("--alias", metavar="OTHER", help="Make NAME another name for OTHER.")
@click.option("--from", "place", metavar="STORE:PATH#KEY", help="Read it from an external store at each deployment.")
@click.option("--entry-version", type=click.IntRange(1), help="With --from: this version of the entry, always.")
@click.option("--file", metavar="PATH", help="Deliver it as a file, and its path in the variable; '' undoes that.")
@click.option("--value-from", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read it from a file.")
@changing
def set_secret(
    invocation: Invocation,
    name: str,
    alias: str | None,
    place: str | None,
    entry_version: int | None,
    file: str | None,
    value_from: Path | None,
    scope: str | None,
    no_deploy: bool,
    detach: bool,
) -> None:
    """Set a secret: asks for the value, or takes it from stdin. A plain variable becomes a secret."""
    body: dict[str, object] = {"deploy": not no_deploy}
    if file is not None:
        body["file"] = file
    if alias:
        body["alias"] = alias
    elif place:
        body["external"] = _external(place, entry_version)
    else:
        from highroad.kit.disguises import weakness

        body["value"] = _value(name, value_from)
        if (why := weakness(str(body["value"]))) is not None:
            invocation.output.note(f"Warning: {why}")
    with invocation.client() as client:
        answer = client.put(f"{_path(invocation)}/{quote(name, safe='')}", body, **_where(invocation, scope))
        _follow(invocation, client, answer, f"Set {name}.", detach=detach)


@command("unset", needs="service")
@click.argument("name")
@changing
def unset_secret(invocation: Invocation, name: str, scope: str | None, no_deploy: bool, detach: bool) -> None:
    """Remove a secret with all its versions."""
    with invocation.client() as client:
        found = _find(invocation, client, name, scope, exact=True)
        answer = client.delete(f"/secrets/{found['id']}", deploy="false" if no_deploy else "true")
        _follow(invocation, client, answer, f"Unset {name}.", detach=detach)


@command("reveal", needs="service")
@click.argument("name")
@click.option("--version", "number", type=click.IntRange(1), help="An earlier one.")
@scoped
def reveal_secret(invocation: Invocation, name: str, number: int | None, scope: str | None) -> None:
    """Print the value of a secret, alone. That you did stands in the audit log."""
    with invocation.client() as client:
        found = _find(invocation, client, name, scope)
        shown = client.post(f"/secrets/{found['id']}/reveal", {"version": number})
    invocation.output.document(shown)
    invocation.output.say(str(shown["value"]))


@command("history", needs="service")
@click.argument("name")
@scoped
def history(invocation: Invocation, name: str, scope: str | None) -> None:
    """List the versions of a secret: who set them and when."""
    with invocation.client() as client:
        found = _find(invocation, client, name, scope)
        versions = client.get(f"/secrets/{found['id']}/versions")
    invocation.output.document(versions)
    rows = [
        (
            str(each["number"]),
            each["kind"],
            each.get("changed_by") or "",
            ago(each.get("changed_at")),
            "current" if each["current"] else "",
        )
        for each in versions["items"]
    ]
    invocation.output.table(("VERSION", "KIND", "BY", "WHEN", ""), rows, empty="No versions.")


@command("restore", needs="service")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@changing
def restore_secret(
    invocation: Invocation, name: str, version: int, scope: str | None, no_deploy: bool, detach: bool
) -> None:
    """Make an earlier value the present one, as a new version."""
    with invocation.client() as client:
        found = _find(invocation, client, name, scope)
        answer = client.post(f"/secrets/{found['id']}/restore", {"version": version, "deploy": not no_deploy})
        _follow(invocation, client, answer, f"{name} is version {version} again.", detach=detach)


@command("expose", needs="service")
@click.argument("name")
@scoped
def expose_secret(invocation: Invocation, name: str, scope: str | None) -> None:
    """Turn a secret into a plain variable. It takes the right to reveal it."""
    with invocation.client() as client:
        found = _find(invocation, client, name, scope, exact=True)
        answer = client.post(f"/secrets/{found['id']}/expose", {"deploy": False})
    invocation.output.document(answer)
    invocation.output.say(f"{name} is a plain variable now: highroad config get {name}")


@command("import", needs="service")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--plain", is_flag=True, help="As plain variables.")
@changing
def import_secrets(
    invocation: Invocation,
    file: Path,
    dry_run: bool,
    plain: bool,
    scope: str | None,
    no_deploy: bool,
    detach: bool,
) -> None:
    """Set all that a .env file sets (- for stdin) as secrets, at one scope, or nothing."""
    with click.open_file(str(file), encoding="utf-8") as stream:
        try:
            text = stream.read()
        except UnicodeDecodeError as error:
            raise dotenv.BadDotenv(f"{file} is not UTF-8 text.", next_step=f"Save {file} as UTF-8.") from error
    dotenv.parse(text, file=str(file))  # here an error names the file
    body = {"text": text, "secret": not plain, "dry_run": dry_run, "deploy": not no_deploy}
    with invocation.client() as client:
        answer = client.post(_path(invocation), body, **_where(invocation, scope))
        rows = [(each["name"], each["effect"], "secret" if each["secret"] else "plain") for each in answer["items"]]
        invocation.output.table(("NAME", "EFFECT", "KIND"), rows, empty="The file sets nothing.")
        if dry_run:
            invocation.output.document(answer)
            invocation.output.note("Nothing was changed. Without --dry-run it is done.")
            return
        _follow(invocation, client, answer, f"Imported {len(rows)}.", detach=detach)


def _follow(invocation: Invocation, client: Client, answer: Json, done: str, *, detach: bool) -> None:
    started: list[Json] = answer.get("deployments") or []
    invocation.output.say(done)
    if not started:
        invocation.output.say("It takes effect with the next deployment: highroad restart")
    if detach or not started:
        invocation.output.document(answer)
        return
    ended = [watch_deployment(invocation, client, each, document=False) for each in started]
    invocation.output.document({**answer, "deployments": ended})


def _path(invocation: Invocation) -> str:
    return f"{invocation.project_path}/secrets"


def _where(invocation: Invocation, scope: str | None) -> dict[str, str]:
    """The query of a scope; of the service in its environment without one."""
    if scope == "project-wide":
        return {}
    if scope == "environment-wide":
        return {"environment": invocation.environment}
    target = invocation.target
    return {"service": target.service, **({} if scope == "service-wide" else {"environment": target.environment})}


def _find(invocation: Invocation, client: Client, name: str, scope: str | None, *, exact: bool = False) -> Json:
    """The one in force, or with `exact` only one that is set at this very scope."""
    items: list[Json] = client.get(_path(invocation), **_where(invocation, scope)).get("items") or []
    found = next((each for each in items if each["name"] == name), None)
    if found is not None and exact and found["scope"] != _SCOPE_OF[scope]:
        flag = {"project": "--project-wide", "environment": "--environment-wide", "service": "--service-wide"}
        raise NoSuchSecret(
            f"{name} is not set for this service here, but for the {found['scope']}.",
            next_step=f"Say so: {flag.get(found['scope'], '')}",
        )
    if found is None:
        raise NoSuchSecret(f"{name} is no secret here.", next_step="highroad secrets list")
    return found


def _value(name: str, value_from: Path | None) -> str:
    if value_from is not None:
        try:
            return value_from.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise Usage(
                f"{value_from} is not UTF-8 text.", next_step="Store it as text, base64 for example."
            ) from error
    if sys.stdin.isatty():
        return str(click.prompt(f"Value of {name}", hide_input=True, err=True))
    return sys.stdin.read().removesuffix("\n")


def _external(place: str, version: int | None) -> dict[str, object]:
    source, colon, rest = place.partition(":")
    path, _, key = rest.partition("#")
    if not colon or not path:
        raise Usage(f"{place} is no place.", next_step="Write it like STORE:team/shop/database#password")
    return {"source": source, "path": path, "key": key or "value", "version": version}


def _detail(secret: Json) -> str:
    parts = []
    if secret.get("alias"):
        parts.append(f"-> {secret['alias']}")
    if secret.get("external"):
        place = secret["external"]
        parts.append(f"{place['source']}:{place['path']}#{place['key']}")
    if secret.get("file"):
        parts.append(f"file {secret['file']}")
    if secret.get("overrides"):
        parts.append(f"over the {secret['overrides']}'s")
    return ", ".join(parts)


secrets = group(
    "secrets",
    list_secrets,
    set_secret,
    unset_secret,
    reveal_secret,
    history,
    restore_secret,
    expose_secret,
    import_secrets,
    help="List, set, reveal, restore and import secrets. A change is deployed at once, but with --no-deploy.",
)
