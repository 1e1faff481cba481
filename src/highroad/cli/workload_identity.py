"""`highroad login --workload`: the identity that a CI platform gives its job, exchanged for a token of some minutes.

GitHub Actions gives a job an address to ask at; GitLab and others put the token into a variable of the pipeline's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from highroad.client.problems import Json
from highroad.errors import Unauthenticated

if TYPE_CHECKING:
    from highroad.client.api import Client

VARIABLE = "HIGHROAD_ID_TOKEN"
_GITHUB_URL, _GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_SECONDS = 20.0


class NoIdentity(Unauthenticated):
    code = "no-workload-identity"
    title = "This job has no identity to show"


def exchange(client: Client, environ: Mapping[str, str]) -> Json:
    """What the installation gives for the job's identity token: `access_token`, `expires_in`, `account`, `rule`."""
    return client.post("/token-exchange", {"subject_token": identity_token(client.url, environ)})


def identity_token(audience: str, environ: Mapping[str, str]) -> str:
    """The job's identity token for this audience. Raises `NoIdentity`."""
    given = environ.get(VARIABLE, "").strip()
    if given:
        return given
    address, secret = environ.get(_GITHUB_URL), environ.get(_GITHUB_TOKEN)
    if not address or not secret:
        raise NoIdentity(
            f"Neither {VARIABLE} nor the variables of GitHub Actions are set.",
            next_step="On GitHub, give the job `permissions: id-token: write`. On GitLab, name HIGHROAD_ID_TOKEN under "
            "`id_tokens`.",
        )
    return _of_github(address, secret, audience)


def _of_github(address: str, secret: str, audience: str) -> str:
    import httpx2

    try:
        answer = httpx2.get(
            address, params=_with(address, audience), headers={"Authorization": f"Bearer {secret}"}, timeout=_SECONDS
        )
        found = answer.json().get("value") if answer.status_code == 200 else None
    except (httpx2.HTTPError, ValueError, AttributeError) as error:
        raise NoIdentity("GitHub did not give the job's identity token.", next_step="Run the job again.") from error
    if not isinstance(found, str) or not found:
        raise NoIdentity(
            f"GitHub answered {answer.status_code} without an identity token.",
            next_step="Give the job `permissions: id-token: write`.",
        )
    return found


def _with(address: str, audience: str) -> dict[str, str]:
    """The query that GitHub's address has, with the audience."""
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(address).query)) | {"audience": audience}
