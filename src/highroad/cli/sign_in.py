"""login, logout, whoami: who this machine acts as. Tokens go into the credentials file and are never printed."""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING

import click

from highroad.cli.command import command
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.operator_token import operator_of
from highroad.cli.watch import open_browser
from highroad.cli.workload_identity import exchange
from highroad.client.address import is_plain_and_remote, normal_url
from highroad.client.credentials import Installation, NotSignedIn
from highroad.client.problems import ApiProblem, Json, Unreachable
from highroad.errors import Unauthenticated

if TYPE_CHECKING:
    from highroad.client.api import Client

_SCOPES = ("read", "write", "git", "admin")
_DAYS = 90


class SignInRefused(Unauthenticated):
    code = "sign-in-refused"
    title = "You were not signed in"


@command("login", needs="nothing")
@click.argument("url", required=False)
@click.option("--token", "with_token", is_flag=True, help="Sign in with a token, read from the terminal or from stdin.")
@click.option("--email", metavar="EMAIL", help="Sign in with this e-mail address; asks for the password.")
@click.option("--workload", is_flag=True, help="In a CI job: sign in with the identity that the job has there.")
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
def login(
    invocation: Invocation, url: str | None, with_token: bool, email: str | None, workload: bool, no_browser: bool
) -> None:
    """Sign in to the installation at URL. Its operator's own machine needs nothing else; otherwise a code is confirmed
    in the browser."""
    from highroad.client.api import Client

    if with_token + bool(email) + workload > 1:
        raise Usage("--token, --email and --workload exclude each other.", next_step="Give one of them.")
    chosen = with_token or bool(email) or workload
    operator = None if chosen else operator_of(normal_url(url) if url else None, invocation.environ)
    address = normal_url(url) if url else operator.url if operator else invocation.url
    before = invocation.credentials.find(address)
    if before and not chosen and (me := _still_good(before)):
        invocation.credentials.keep(before)
        invocation.output.document({"url": address, "actor": me})
        invocation.output.say(f"You are signed in to {address} as {me.get('email') or me.get('name')} already.")
        invocation.output.say("To sign in as somebody else: highroad logout first.")
        return
    if is_plain_and_remote(address):
        invocation.output.note(f"Warning: {address} is not encrypted; others on the way can read your token.")
    with Client(address) as client:
        if with_token:
            token = ask_secret("Token")
        elif workload:
            token = str(exchange(client, invocation.environ)["access_token"])
        elif email:
            token = _password_token(client, email)
        elif operator:
            token = _new_token(Client(operator.url, operator.token))
        else:
            token = _device_token(invocation, client, browser=not no_browser)
    with Client(address, token) as client:
        me = client.get("/me")
    kept = Installation(
        address, token, email=str(me.get("email") or ""), token_id=str((me.get("token") or {}).get("id", ""))
    )
    invocation.credentials.keep(kept)
    if before and before.token != token and _revoke_replaced(before):
        invocation.output.note("The sign-in it replaces was revoked, and with it the tokens that it had made.")
    invocation.output.document({"url": address, "actor": me})
    who = me.get("email") or me.get("name")
    invocation.output.say(f"Signed in to {address} as {who}. Next, in a repository: highroad init")


@command("logout")
def logout(invocation: Invocation) -> None:
    """Revoke this machine's token and forget it."""
    known = invocation.credentials.find(invocation.url)
    if known is None:
        raise NotSignedIn(f"There is no token for {invocation.url} here.", next_step=f"highroad login {invocation.url}")
    from highroad.client.api import Client, path_of

    revoked = True
    try:
        with Client(known.url, known.token) as client:
            token_id = known.token_id or str((client.get("/me").get("token") or {}).get("id", ""))
            client.delete(path_of("tokens", token_id))
    except ApiProblem as problem:
        revoked = problem.answered in (401, 404)  # then it was worth nothing any more
    except Unreachable:
        revoked = False
    invocation.credentials.forget(known.url)
    invocation.output.document({"url": known.url, "revoked": revoked})
    invocation.output.say(f"Signed out of {known.url}.")
    if not revoked:
        invocation.output.note("The token could not be revoked there: revoke it in the portal, or let it expire.")


@command("whoami")
def whoami(invocation: Invocation) -> None:
    """Show who you are, where, and what your token may do."""
    with invocation.client() as client:
        me = client.get("/me")
    token = me.get("token") or {}
    invocation.output.document({"url": invocation.url, **me})
    role = f", {me['role']}" if me.get("role") else ""
    invocation.output.say(f"{me.get('email') or me.get('name')}{role} at {invocation.url}")
    scopes = ", ".join(token.get("scopes") or [])
    invocation.output.say(f"  token {token.get('name')} ({scopes}), expires {token.get('expires_at') or 'never'}")


def _still_good(known: Installation) -> Json | None:
    """Who the stored token stands for; None when it is refused, so that another one is needed."""
    from highroad.client.api import Client

    try:
        with Client(known.url, known.token) as client:
            return client.get("/me")
    except ApiProblem as problem:
        if problem.answered in (401, 403):
            return None
        raise


def _revoke_replaced(known: Installation) -> bool:
    """Nobody uses the token any more that an earlier login made for this machine; one that was pasted has its owner."""
    from highroad.client.api import Client, path_of

    try:
        with Client(known.url, known.token) as client:
            token = client.get("/me").get("token") or {}
            if token.get("name") == _name():
                client.delete(path_of("tokens", str(token["id"])))
                return True
    except (ApiProblem, Unreachable):
        return False  # refused already, or it expires by itself: the new sign-in is what was asked for
    return False


def _name() -> str:
    return f"highroad on {socket.gethostname()}"[:80]


def ask_secret(what: str) -> str:
    """Read without echo from a terminal, else one line of stdin: a secret in the arguments would be seen by `ps`."""
    given = click.prompt(what, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise Usage(f"The {what.lower()} is empty.", next_step="Type it, or pipe it into the command.")
    return str(given).strip()


def _new_token(client: Client) -> str:
    with client:
        own = client.get("/me").get("scopes") or _SCOPES  # a token cannot give what it has not
        body = {"name": _name(), "scopes": [each for each in _SCOPES if each in own], "expires_in_days": _DAYS}
        return str(client.post("/tokens", body)["token"])


def _password_token(client: Client, email: str) -> str:
    """A token for a password, and for a code where the account has a second factor."""
    body = {"email": email, "password": ask_secret("Password"), "name": _name()}
    try:
        return str(client.post("/sign-in", body)["token"])
    except ApiProblem as problem:
        if problem.problem_code != "second-factor-needed":
            raise
    return str(client.post("/sign-in", {**body, "code": ask_secret("Code of your authenticator app")})["token"])


def _device_token(invocation: Invocation, client: Client, *, browser: bool) -> str:
    """Have the person confirm a code in the browser, and poll until that happened. Raises `SignInRefused`."""
    started = client.post("/logins", {"name": _name()})
    # Also with --json: nobody could confirm what was not said.
    invocation.output.ask(f"Confirm the code {started['user_code']} at {started['verify_url']}")
    if browser:
        open_browser(str(started["verify_url"]))
    interval = max(0.05, float(started.get("interval") or 2))
    while True:
        answer = _poll(client, started)
        if answer.get("token"):
            return str(answer["token"])
        time.sleep(interval)


def _poll(client: Client, started: Json) -> Json:
    from highroad.client.api import path_of

    try:
        return client.post(path_of("logins", started["id"], "token"), {"secret": started["secret"]})
    except ApiProblem as problem:
        if problem.answered in (403, 404, 410):
            why = "was refused" if problem.answered == 403 else "has expired"
            raise SignInRefused(
                f"The code {started['user_code']} {why}.", next_step=f"Start again: highroad login {client.url}"
            ) from problem
        raise
