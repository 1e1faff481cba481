"""`highroad git-credential get|store|erase`: Git asks here for the token when it talks to an installation.

Called by `main` when Git runs it, as `highroad init` configured it in the repository. The protocol is
gitcredentials(7): attributes as `key=value` lines, ended by a blank line or the end of input. Only the Git paths of an
installation that we know get an answer. Git's `store` and `erase` change nothing: sign-ins are ours to keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from highroad.client.address import normal_url
from highroad.client.credentials import Credentials
from highroad.errors import HighroadError


def answer(
    arguments: Sequence[str], asked: Iterable[str], stdout: TextIO, stderr: TextIO, environ: Mapping[str, str]
) -> int:
    """Answer one request of Git; the exit code is 0 also without an answer, as Git expects."""
    if len(arguments) != 1 or arguments[0] not in ("get", "store", "erase"):
        stderr.write("Error: highroad git-credential is for Git: it takes get, store or erase.\n")
        return 2
    wanted = _attributes(asked)
    try:
        url = normal_url(f"{wanted.get('protocol', '')}://{wanted.get('host', '')}")
        if not wanted.get("path", "").startswith("git/"):
            return 0
        if arguments[0] == "get":
            _get(url, stdout, stderr, environ)
        elif arguments[0] == "erase" and wanted.get("password"):
            stderr.write(f"Highroad refused the token of this machine. Sign in again: highroad login {url}\n")
    except HighroadError as error:
        stderr.write(f"Error: {error.title}\nWhy:   {error.detail}\nNext:  {error.next_step}\n")
        if arguments[0] == "get":
            stdout.write("quit=1\n")
    return 0


def _get(url: str, stdout: TextIO, stderr: TextIO, environ: Mapping[str, str]) -> None:
    """From the environment when it names this installation itself (a token must not go where it was not meant for),
    else from what `highroad login` stored."""
    given = environ.get("HIGHROAD_URL", "")
    token = environ.get("HIGHROAD_TOKEN", "") if given and normal_url(given) == url else ""
    if not token:
        known = Credentials.of(environ).find(url)
        token = known.token if known else ""
    if not token:
        stderr.write(f"You are not signed in to {url}. Next: highroad login {url}\n")
        # Without it Git would ask the person for a password that does not exist.
        stdout.write("quit=1\n")
        return
    stdout.write(f"username=highroad\npassword={token}\n")


def _attributes(lines: Iterable[str]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            break
        key, _, value = line.rstrip("\n").partition("=")
        attributes[key] = value
    return attributes
