"""One run of one command: which installation, which service, and where its output goes.

Made by `command.command` from the options that all commands share; passed to every command function as its first
argument. Explicit options win over the environment, that over what `highroad init` stored in the repository, that over
the installation signed in to last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

from highroad.cli import git
from highroad.cli.failures import NoTarget
from highroad.cli.operator_token import local_installation
from highroad.cli.output import Output
from highroad.client.address import normal_url
from highroad.client.credentials import Credentials, NotSignedIn, token_from_environment

if TYPE_CHECKING:
    from highroad.client.api import Client

DEFAULT_ENVIRONMENT = "production"


@dataclass(frozen=True, slots=True)
class Target:
    """A service in an environment, by names, and its paths in the API."""

    project: str
    service: str
    environment: str

    @property
    def project_path(self) -> str:
        return f"/projects/{quote(self.project, safe='')}"

    @property
    def environment_path(self) -> str:
        return f"{self.project_path}/environments/{quote(self.environment, safe='')}"

    @property
    def service_path(self) -> str:
        return f"{self.project_path}/services/{quote(self.service, safe='')}"

    @property
    def placement_path(self) -> str:
        return f"{self.service_path}/environments/{quote(self.environment, safe='')}"


class Invocation:
    """What every command function gets. Nothing is read before it is asked for."""

    def __init__(
        self,
        *,
        json_wanted: bool = False,
        url: str | None = None,
        project: str | None = None,
        service: str | None = None,
        environment: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.output = Output(json_wanted=json_wanted, environ=environ)
        self.environ = environ
        self._url, self._project, self._service, self._environment = url, project, service, environment

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials.of(self.environ)

    @cached_property
    def repository(self) -> git.Repository | None:
        return git.here_or_none()

    @cached_property
    def remembered(self) -> dict[str, str]:
        """What `highroad init` stored in this repository."""
        return self.repository.remembered() if self.repository else {}

    @cached_property
    def url(self) -> str:
        """The installation meant. Raises `NotSignedIn` when none is known."""
        given = self._url or self.environ.get("HIGHROAD_URL") or self.remembered.get("url") or self.credentials.current
        if not given:
            here = local_installation(self.environ)
            given = here.url if here else ""
        if not given:
            raise NotSignedIn(
                "No installation is known on this machine.",
                next_step="Start one here with highroad up, or sign in to another: highroad login URL",
            )
        return normal_url(given)

    @property
    def explicit_url(self) -> bool:
        return bool(self._url or self.environ.get("HIGHROAD_URL"))

    def client(self, *, timeout: float = 30.0, patient: bool = True) -> Client:
        """A connection as the person signed in; an impatient one sends nothing twice. Raises `NotSignedIn`."""
        token = token_from_environment(self.url, self.environ)
        if not token:
            known = self.credentials.find(self.url)
            if known is None:
                raise NotSignedIn(
                    f"There is no token for {self.url} here.", next_step=f"Sign in: highroad login {self.url}"
                )
            token = known.token
        from highroad.client.api import Client

        return Client(self.url, token, timeout=timeout, attempts=5 if patient else 1)

    @property
    def named_service(self) -> str | None:
        """The service named on the command line."""
        return self._service

    @property
    def given_service(self) -> str | None:
        return self._service or self._from_repository("service") or None

    @property
    def given_project(self) -> str | None:
        return self._project or self._from_repository("project") or None

    @property
    def project(self) -> str:
        """The project meant. Raises `NoTarget`."""
        found = self.given_project
        if not found:
            raise NoTarget(
                "No project was named.", next_step="Run highroad init in your repository, or add -p PROJECT."
            )
        return found

    @property
    def project_path(self) -> str:
        return f"/projects/{quote(self.project, safe='')}"

    @property
    def environment_path(self) -> str:
        return f"{self.project_path}/environments/{quote(self.environment, safe='')}"

    @property
    def environment(self) -> str:
        return self._environment or self._from_repository("environment") or DEFAULT_ENVIRONMENT

    @property
    def target(self) -> Target:
        """The service and environment meant. Raises `NoTarget`."""
        service, project = self.given_service, self.given_project
        if not project or not service:
            several = self.repository.services() if self.repository else []
            if len(several) > 1:
                raise NoTarget(
                    f"This repository holds several services: {', '.join(several)}.",
                    next_step=f"Go into the directory of one, or name it: -s {several[0]}",
                )
            raise NoTarget(
                "This directory is not connected to a service, and none was named.",
                next_step="Run highroad init in your repository, or add -p PROJECT -s SERVICE.",
            )
        return Target(project, service, self.environment)

    @property
    def push_command(self) -> str:
        """How to push what is checked out here."""
        branch = self.repository.branch() if self.repository else ""
        return f"git push {self._from_repository('remote') or 'highroad'} {branch or 'main'}"

    @property
    def target_or_none(self) -> Target | None:
        try:
            return self.target
        except NoTarget:
            return None

    def _from_repository(self, name: str) -> str:
        """What the repository remembers, unless the command is about another installation than the repository's."""
        url = self.remembered.get("url", "")
        if url and self.explicit_url and normal_url(url) != self.url:
            return ""
        return self.remembered.get(name, "")
