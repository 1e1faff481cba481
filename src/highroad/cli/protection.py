"""sessions and second-factor: what protects one's own account."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.cli.sign_in import ask_secret
from highroad.client.problems import Json


@command("list")
def list_sessions(invocation: Invocation) -> None:
    """List where you are signed in to the portal."""
    with invocation.client() as client:
        found = list(client.items("/sessions"))
    invocation.output.document({"items": found})
    rows = [
        (each["id"], each["device"], each["address"], str(each["created_at"])[:10], ago(each["last_seen_at"]))
        for each in found
    ]
    head = ("ID", "DEVICE", "ADDRESS", "SIGNED IN", "LAST SEEN")
    invocation.output.table(head, rows, empty="You are signed in to the portal nowhere.")


@command("revoke")
@click.argument("identity", metavar="ID", required=False)
@click.option("--all", "everywhere", is_flag=True, help="Sign out of the portal everywhere.")
def revoke_session(invocation: Invocation, identity: str | None, everywhere: bool) -> None:
    """End a portal session at once."""
    from highroad.cli.failures import Usage
    from highroad.client.api import path_of

    if everywhere == (identity is not None):
        raise Usage("Give the id of a session, or --all.", next_step="highroad sessions list")
    with invocation.client() as client:
        answer = client.delete(path_of("sessions", identity) if identity else "/sessions")
    invocation.output.document({"id": identity, "revoked": True} if identity else answer or {})
    invocation.output.say(f"Ended {identity}." if identity else "You are signed out of the portal everywhere.")


@command("status")
def show_second_factor(invocation: Invocation) -> None:
    """Show whether a code is asked of you at sign-in."""
    with invocation.client() as client:
        found = client.get("/me/second-factor")
    invocation.output.document(found)
    if found["enabled"]:
        invocation.output.say(f"It is on. Recovery codes left: {found['recovery_codes_left']}.")
        return
    wanted = " This installation wants one of you." if found["required"] else ""
    invocation.output.say(f"It is off.{wanted} To set it up: highroad second-factor enable")


@command("enable")
def enable_second_factor(invocation: Invocation) -> None:
    """Set up an authenticator app: shows the seed, asks for a code, prints recovery codes."""
    with invocation.client() as client:
        made = client.post("/me/second-factor", {"password": ask_secret("Password")})
        # Also with --json: the app must have the seed before the code can be typed.
        invocation.output.ask(f"Add this to your authenticator app: {made['address']}")
        invocation.output.ask(f"Or type the seed: {made['seed']}")
        answer = client.post("/me/second-factor/confirm", {"code": ask_secret("Code that the app shows")})
    _tell_codes(invocation, answer)


@command("recovery-codes")
def renew_recovery_codes(invocation: Invocation) -> None:
    """Make ten new recovery codes; the old ones count no more."""
    with invocation.client() as client:
        answer = client.post("/me/second-factor/recovery-codes", {"code": ask_secret("Code of your authenticator app")})
    _tell_codes(invocation, answer)


@command("disable")
def disable_second_factor(invocation: Invocation) -> None:
    """Turn it off; asks for a code."""
    with invocation.client() as client:
        client.post("/me/second-factor/disable", {"code": ask_secret("Code, or a recovery code")})
    invocation.output.document({"enabled": False})
    invocation.output.say("No code is asked for any more.")


def _tell_codes(invocation: Invocation, answer: Json) -> None:
    invocation.output.document(answer)
    invocation.output.note("Recovery codes, shown this once; each signs you in once without the app:")
    for code in answer["recovery_codes"]:
        invocation.output.say(str(code))


sessions = group("sessions", list_sessions, revoke_session, help="List and end your portal sessions.")
second_factor = group(
    "second-factor",
    show_second_factor,
    enable_second_factor,
    renew_recovery_codes,
    disable_second_factor,
    help="Set up and use a second factor.",
)
