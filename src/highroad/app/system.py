"""The installation itself over HTTP: version, isolation, toolchains, and whether it is ready."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from highroad import __version__
from highroad.access.model import Actor
from highroad.builds.build import Builder
from highroad.drivers.contract import Driver
from highroad.web.api import OPEN, Answer, api_router
from highroad.web.auth import perhaps_signed_in
from highroad.web.context import Context

_KNOWN = Field(default=None, description="Null for callers who are not signed in.")


class SystemAnswer(Answer):
    version: str
    url: str
    domain: str
    ready: bool
    isolation: list[str] | None = _KNOWN
    warnings: list[str] | None = _KNOWN
    toolchains: dict[str, str] | None = _KNOWN


def router(context: Context, driver: Driver, builder: Builder, ready: Callable[[], bool]) -> APIRouter:
    api = api_router("system")

    @api.get("/system", openapi_extra=OPEN)
    def system(actor: Annotated[Actor | None, Depends(perhaps_signed_in(context))]) -> SystemAnswer:
        """What this installation is; for whoever is signed in also what it can build and how it isolates apps.

        Nothing here is secret, but what is missing on a machine is for its own people to know.
        """
        settings = context.settings
        answer = SystemAnswer(version=__version__, url=settings.url, domain=settings.domain, ready=ready())
        if actor is not None:
            abilities = driver.abilities()
            answer.isolation, answer.warnings = list(abilities.isolation), list(abilities.warnings)
            answer.toolchains = dict(builder.tools().versions())
        return answer

    @api.get("/health", status_code=204, openapi_extra=OPEN)
    def health(response: Response) -> None:
        """204 when requests are served and unfinished work goes on; 503 while Highroad still comes up."""
        if not ready():
            response.status_code = 503

    return api
