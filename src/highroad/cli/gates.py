"""gates, freezes, windows, locks, lock, unlock: what can hold up deployments, and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago, person
from highroad.client.problems import Json

_MODES = ("development", "staging", "production", "preview", "sandbox")
_KINDS = ("deploy", "rollback", "restart", "scale", "stop", "start", "configure")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
Function = Callable[..., Any]


def _placed(function: Function) -> Function:
    """The options that say where a gate stands."""
    for option in (
        click.option("--mode", type=click.Choice(_MODES), help="Only the environments of this mode."),
        click.option(
            "--at", "place", default="all", metavar="PLACE", help="shop/production, shop, or all (the default)."
        ),
    ):
        function = option(function)
    return function


_passing = click.option(
    "--pass", "passes", multiple=True, type=click.Choice(_KINDS), help="Let this kind pass; may be repeated."
)
_zone = click.option("--zone", default="UTC", show_default=True, help="Time zone, such as Europe/Berlin.")
_except = click.option("--except", "exceptions", multiple=True, help="Take these times out; may be repeated.")


@command("list", needs="service")
@click.argument("place", required=False, metavar="[PROJECT/ENVIRONMENT]")
def list_gates(invocation: Invocation, place: str | None) -> None:
    """Show what guards an environment, and whether it is open now."""
    path = _environment_path(place) if place else invocation.environment_path
    with invocation.client() as client:
        found = list(client.items(f"{path}/gates"))
    invocation.output.document({"items": found})
    _say_gates(invocation, found, empty="Nothing guards it: every deployment goes at once.")


@command("require")
@click.argument("rule")
@_placed
@click.option("--name", default="", help="How people read it; default: the rule.")
@click.option(
    "--max-age", "max_age", default="24h", show_default=True, help="How long an approval counts; 'none': for good."
)
@click.option("--expires", default="7d", show_default=True, help="How long a deployment waits.")
@click.option("--author-too", is_flag=True, help="Count also who asked for it or has commits in it.")
@click.option("--keep-on-change", is_flag=True, help="Keep approvals when the plan changes.")
@_passing
def require(
    invocation: Invocation,
    rule: str,
    place: str,
    mode: str | None,
    name: str,
    max_age: str,
    expires: str,
    author_too: bool,
    keep_on_change: bool,
    passes: tuple[str, ...],
) -> None:
    """Let deployments wait for approvals: "2 of team payments or 1 of owner"."""
    age = None if max_age == "none" else _duration(max_age) / timedelta(hours=1)
    body = {
        **_place(place, mode),
        "rule": rule,
        "name": name,
        "not_author": not author_too,
        "max_age_hours": age,
        "void_on_change": not keep_on_change,
        "expires_days": _duration(expires) / timedelta(days=1),
        "passes": list(passes),
    }
    _create(invocation, "/approval-rules", body)


@command("remove")
@click.argument("identity", metavar="ID")
def remove(invocation: Invocation, identity: str) -> None:
    """Remove an approval rule, a freeze or a deployment window."""
    _remove(invocation, identity)


@command("list")
def list_freezes(invocation: Invocation) -> None:
    """List freezes: where, when, and how they stand now."""
    _list(invocation, "/freezes", empty="No freeze: highroad freezes add NAME TIMES")


@command("add")
@click.argument("name")
@click.argument("times", nargs=-1, required=True)
@_placed
@_zone
@_except
@click.option("--reason", default="", help="Why; people who wait read it.")
@_passing
def add_freeze(
    invocation: Invocation,
    name: str,
    times: tuple[str, ...],
    place: str,
    mode: str | None,
    zone: str,
    exceptions: tuple[str, ...],
    reason: str,
    passes: tuple[str, ...],
) -> None:
    """Deploy nothing during TIMES: "fri 16:00 - mon 08:00", "2026-12-19 18:00 - 2027-01-04 08:00", "dec 20 - jan 3"."""
    body = {**_place(place, mode), **_times(name, times, zone, exceptions, passes), "reason": reason}
    _create(invocation, "/freezes", body)


@command("except")
@click.argument("identity", metavar="ID")
@click.argument("times", nargs=-1, required=True)
def except_times(invocation: Invocation, identity: str, times: tuple[str, ...]) -> None:
    """Take times out of a freeze or a deployment window: 2026-12-24."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.post(path_of("gates", identity) + "/exceptions", {"times": list(times)})
    invocation.output.document(changed)
    _say_gates(invocation, [changed], empty="")


@command("remove")
@click.argument("identity", metavar="ID")
def remove_freeze(invocation: Invocation, identity: str) -> None:
    """Remove a freeze; what waits for it alone goes on."""
    _remove(invocation, identity)


@command("list")
def list_windows(invocation: Invocation) -> None:
    """List deployment windows: where, when, and how they stand now."""
    _list(invocation, "/windows", empty="No deployment window: deployments go at any time.")


@command("add")
@click.argument("name")
@click.argument("times", nargs=-1, required=True)
@_placed
@_zone
@_except
@_passing
def add_window(
    invocation: Invocation,
    name: str,
    times: tuple[str, ...],
    place: str,
    mode: str | None,
    zone: str,
    exceptions: tuple[str, ...],
    passes: tuple[str, ...],
) -> None:
    """Deploy during TIMES only: "mon-thu 09:00-16:00"."""
    _create(invocation, "/windows", {**_place(place, mode), **_times(name, times, zone, exceptions, passes)})


@command("remove")
@click.argument("identity", metavar="ID")
def remove_window(invocation: Invocation, identity: str) -> None:
    """Remove a deployment window; the others there still count."""
    _remove(invocation, identity)


@command("locks")
def locks(invocation: Invocation) -> None:
    """List the environments that are locked, by whom and why."""
    with invocation.client() as client:
        found = list(client.items("/locks"))
    invocation.output.document({"items": found})
    rows = [
        (
            each.get("where"),
            person(each.get("created_by")),
            ago(each.get("created_at")),
            _until(each),
            each.get("reason"),
        )
        for each in found
    ]
    invocation.output.table(("ENVIRONMENT", "BY", "SINCE", "UNTIL", "WHY"), rows, empty="Nothing is locked.")


@command("lock", needs="service")
@click.argument("place", required=False, metavar="[PROJECT/ENVIRONMENT]")
@click.option("--why", required=True, help="People who wait read it.")
@click.option("--until", help="2h, 3d, or a time such as 2026-12-01T08:00 in your zone; default: until it is unlocked.")
@_passing
def lock(invocation: Invocation, place: str | None, why: str, until: str | None, passes: tuple[str, ...]) -> None:
    """Hold up all deployments to an environment."""
    path = _environment_path(place) if place else invocation.environment_path
    body = {"why": why, "until": _instant(until) if until else None, "passes": list(passes)}
    with invocation.client() as client:
        made = client.post(f"{path}/lock", body)
    invocation.output.document(made)
    invocation.output.say(f"Locked {made.get('where')}: {why}. Unlock it: highroad unlock {made.get('where')}")


@command("unlock", needs="service")
@click.argument("place", required=False, metavar="[PROJECT/ENVIRONMENT]")
@click.option("--why", default="", help="Needed to end somebody else's lock.")
def unlock(invocation: Invocation, place: str | None, why: str) -> None:
    """Take the lock of an environment away; what waits for it alone goes on."""
    path = _environment_path(place) if place else invocation.environment_path
    with invocation.client() as client:
        client.delete(f"{path}/lock", **({"why": why} if why else {}))
    named = place or f"{invocation.project}/{invocation.environment}"
    invocation.output.document({"where": named, "unlocked": True})
    invocation.output.say(f"Unlocked {named}.")


def _list(invocation: Invocation, path: str, *, empty: str) -> None:
    with invocation.client() as client:
        found = list(client.items(path))
    invocation.output.document({"items": found})
    _say_gates(invocation, found, empty=empty)


def _create(invocation: Invocation, path: str, body: dict[str, object]) -> None:
    with invocation.client() as client:
        made = client.post(path, body)
    invocation.output.document(made)
    _say_gates(invocation, [made], empty="")


def _remove(invocation: Invocation, identity: str) -> None:
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("gates", identity))
    invocation.output.document({"id": identity, "removed": True})
    invocation.output.say(f"Removed {identity}.")


def _say_gates(invocation: Invocation, found: list[Json], *, empty: str) -> None:
    rows = [
        (
            each.get("id"),
            each.get("kind"),
            each.get("where"),
            each.get("name"),
            {True: "closed", False: "open"}.get(each.get("closed"), "asks"),  # type: ignore[arg-type]  # null as well
            "; ".join([str(each.get("words")), *(f"{kind}s pass" for kind in each.get("passes") or [])]),
        )
        for each in found
    ]
    invocation.output.table(("ID", "GATE", "WHERE", "NAME", "NOW", "WHAT"), rows, empty=empty)


def _until(lock: Json) -> str:
    until = lock.get("until")
    return str(until)[:16].replace("T", " ") + " UTC" if until else "it is unlocked"


def _times(
    name: str, times: tuple[str, ...], zone: str, exceptions: tuple[str, ...], passes: tuple[str, ...]
) -> dict[str, object]:
    return {
        "name": name,
        "times": list(times),
        "zone": zone,
        "exceptions": list(exceptions),
        "passes": list(passes),
    }


def _place(place: str, mode: str | None) -> dict[str, object]:
    if place == "all":
        return {"mode": mode}
    project, _, environment = place.partition("/")
    return {"project": project, "environment": environment or None, "mode": mode}


def _environment_path(place: str) -> str:
    from highroad.client.api import path_of

    project, slash, environment = place.partition("/")
    if not slash or not project or not environment:
        raise Usage(f"{place!r} is not PROJECT/ENVIRONMENT.", next_step="Write it like: shop/production")
    return path_of("projects", project) + path_of("environments", environment)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4}(?:\.\d+)?)([mhdw])", text.strip())
    if match is None:
        raise Usage(f"{text!r} is no duration.", next_step="Write it like 30m, 24h, 7d or 2w.")
    return timedelta(**{_UNITS[match[2]]: float(match[1])})


def _instant(text: str) -> str:
    """A time to come, in UTC: so long from now, or a local time."""
    if re.fullmatch(r"\d{1,4}(?:\.\d+)?[mhdw]", text.strip()):
        at = datetime.now(UTC) + _duration(text)
    else:
        try:
            at = datetime.fromisoformat(text.strip()).astimezone(UTC)
        except ValueError as error:
            raise Usage(f"{text!r} is no time.", next_step="Write it like 2h, 3d or 2026-12-01T08:00.") from error
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


gates = group("gates", list_gates, require, remove, help="Show what guards an environment; require approvals.")
freezes = group("freezes", list_freezes, add_freeze, except_times, remove_freeze, help="List, add and remove freezes.")
windows = group("windows", list_windows, add_window, remove_window, help="List, add and remove deployment windows.")
