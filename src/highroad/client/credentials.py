"""Who this person is at which installation: tokens in one private file, `~/.config/highroad/credentials.json`.

Called by every command to find its installation, by `login` and `logout` to change it, and by the Git credential
helper, which is on the way of every push: this module imports nothing that costs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from highroad.client.address import normal_url
from highroad.errors import Forbidden, Invalid, Unauthenticated

_FORMAT = 1


class NotSignedIn(Unauthenticated):
    code = "not-signed-in"
    title = "You are not signed in"


class CredentialsExposed(Forbidden):
    code = "credentials-exposed"
    title = "Your tokens are readable by others"


class CredentialsDamaged(Invalid):
    code = "credentials-damaged"
    title = "The file with your tokens cannot be read"


class CredentialsNotKept(Forbidden):
    code = "credentials-not-kept"
    title = "Your token cannot be stored"


class Installation(NamedTuple):
    """One installation and our token there. Its repr leaves out the token, which must not get into a traceback."""

    url: str
    token: str
    email: str = ""
    token_id: str = ""

    def __repr__(self) -> str:
        return f"Installation({self.url!r})"


class Credentials:
    """The file of one person. Every change is one atomic replacement of it, and may raise `CredentialsNotKept`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._current, self._known = self._read()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Credentials:
        """The file under `XDG_CONFIG_HOME`, else `~/.config`. Raises `CredentialsExposed`, `CredentialsDamaged`."""
        configuration = environ.get("XDG_CONFIG_HOME") or "~/.config"
        return cls(Path(configuration).expanduser() / "highroad" / "credentials.json")

    @property
    def current(self) -> str:
        """The URL of the installation that was signed in to last, or an empty string."""
        return self._current

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self._known)

    def find(self, url: str) -> Installation | None:
        return self._known.get(normal_url(url))

    def keep(self, installation: Installation) -> None:
        """Store it and make it the current one."""
        self._known[installation.url] = installation
        self._current = installation.url
        self._replace()

    def forget(self, url: str) -> None:
        self._known.pop(normal_url(url), None)
        if self._current not in self._known:
            self._current = next(iter(self._known), "")
        self._replace()

    def _read(self) -> tuple[str, dict[str, Installation]]:
        try:
            mode = self.file.stat().st_mode & 0o777
            text = self.file.read_text()
        except FileNotFoundError:
            return "", {}
        except OSError as error:
            raise CredentialsDamaged(
                f"{self.file}: {error.strerror}.", next_step=f"Mend the permissions of {self.file}."
            ) from error
        if mode & 0o077:
            raise CredentialsExposed(
                f"{self.file} has mode {mode:04o}; only you may read it.",
                next_step=f"chmod 600 {self.file}, and revoke tokens that others may have seen: highroad tokens list.",
            )
        try:
            stored = json.loads(text)
            if stored["version"] != _FORMAT:
                raise ValueError(f"version {stored['version']}")
            known = {url: Installation(url=url, **fields) for url, fields in stored["installations"].items()}
            return str(stored.get("current", "")), known
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CredentialsDamaged(
                f"{self.file} is not a credentials file of this version of Highroad.",
                next_step=f"Move {self.file} away and sign in again: highroad login URL.",
            ) from error

    def _replace(self) -> None:
        try:
            self._write()
        except OSError as error:
            raise CredentialsNotKept(
                f"{self.file} cannot be written: {error.strerror}.",
                next_step="Make room or mend the permissions, or set HIGHROAD_URL and HIGHROAD_TOKEN instead.",
            ) from error

    def _write(self) -> None:
        installations = {
            url: {k: v for k, v in each._asdict().items() if k != "url"} for url, each in self._known.items()
        }
        text = json.dumps({"version": _FORMAT, "current": self._current, "installations": installations}, indent=2)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text + "\n")
        partial.replace(self.file)


def token_from_environment(url: str, environ: Mapping[str, str]) -> str:
    """`HIGHROAD_TOKEN` when it is meant for `url`: `HIGHROAD_URL` is unset or names the same installation."""
    token, given = environ.get("HIGHROAD_TOKEN", ""), environ.get("HIGHROAD_URL", "")
    return token if token and (not given or normal_url(given) == normal_url(url)) else ""
