"""One request of a git client (or of a browser that was given a git address), read and checked.

The gateway asks it for names, the git service, the token and the protocol version. Pure: it sees the ASGI scope only.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from highroad.errors import Malformed, NotFound
from highroad.kit.names import is_label

Scope = MutableMapping[str, Any]

_PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?(/.*)?")
_SERVICES = ("git-upload-pack", "git-receive-pack")
_PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,100}")


class NotAGitAddress(NotFound):
    code = "not-a-git-address"
    title = "There is nothing to see here"


class OldProtocol(Malformed):
    code = "old-git-protocol"
    title = "The request is not git's smart protocol"


class WrongContentType(Malformed):
    status = 415
    code = "not-from-git"
    title = "The request does not come from git"


class WrongMethod(Malformed):
    status = 405
    code = "wrong-method"
    title = "This address does not take that method"


class Request:
    """One HTTP request as the gateway needs it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._headers: Mapping[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }

    def header(self, name: str) -> str:
        return self._headers.get(name, "").strip()

    def names(self) -> tuple[str, str, str]:
        """Project, service and the rest of the path. Raises `NotAGitAddress`."""
        path: str = self._scope["path"]
        root: str = self._scope.get("root_path", "")
        found = _PATH.fullmatch(path.removeprefix(root) if path.startswith(f"{root}/") else path)
        if found is None or not is_label(found[1]) or not is_label(found[2]):
            raise NotAGitAddress(
                f"{path[:200]!r} is not the address of a repository.",
                next_step="A repository is at /git/PROJECT/SERVICE.git.",
            )
        rest = found[3] or ""
        if rest not in ("/info/refs", *(f"/{service}" for service in _SERVICES)):
            raise NotAGitAddress(
                "This address is for git, not for a browser.",
                next_step=f"git clone {self._address(root)}/{found[1]}/{found[2]}.git",
            )
        return found[1], found[2], rest

    def _address(self, root: str) -> str:
        return f"{self._scope.get('scheme', 'http')}://{self.header('host') or 'localhost'}{root}"

    def service(self, rest: str) -> str:
        """`git-upload-pack` or `git-receive-pack`. Raises `OldProtocol`."""
        asked = rest.removeprefix("/")
        if rest == "/info/refs":
            asked = parse_qs(self._scope["query_string"].decode("latin-1")).get("service", [""])[0]
        if asked not in _SERVICES:
            raise OldProtocol("Only git's smart HTTP protocol is spoken here.", next_step="Use git 1.6.6 or newer.")
        return asked

    def require(self, method: str) -> None:
        if self._scope["method"] != method:
            raise WrongMethod(
                f"{self._scope['method']} is not taken here, only {method}.", next_step="Use a git client."
            )

    def require_type(self, content_type: str) -> None:
        """Git's own content type, which a foreign web page cannot make a browser send without being asked."""
        if self.header("content-type") != content_type:
            raise WrongContentType(f"The content type must be {content_type}.", next_step="Use a git client.")

    def protocol(self) -> dict[str, str]:
        """The variable by which git learns the protocol version that the client speaks."""
        asked = self.header("git-protocol")
        return {"GIT_PROTOCOL": asked} if _PROTOCOL.fullmatch(asked) else {}

    def token(self) -> str | None:
        """The token: Bearer, or the password of Basic (any user name), or its user name when the password is empty."""
        scheme, _, value = self.header("authorization").partition(" ")
        if scheme.lower() == "bearer":
            return value.strip() or None
        if scheme.lower() != "basic":
            return None
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or user or None
