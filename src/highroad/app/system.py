"""The installation itself over HTTP: version, isolation, toolchains, and whether it is ready."""

# No postponed annotations here: FastAPI reads them.
from collections.abc import Callable

from fastapi import APIRouter, Response

from highroad import __version__
from highroad.builds.build import Builder
from highroad.drivers.contract import Driver
from highroad.web.api import OPEN, Answer, api_router
from highroad.web.context import Context


class SystemAnswer(Answer):
    version: str
    url: str
    domain: str
    ready: bool
    isolation: list[str]
    warnings: list[str]
    toolchains: dict[str, str]


def router(context: Context, driver: Driver, builder: Builder, ready: Callable[[], bool]) -> APIRouter:
    api = api_router("system")

    @api.get("/system", openapi_extra=OPEN)
    def system() -> SystemAnswer:
        """What this installation is and what it can build; nothing here is secret."""
        abilities = driver.abilities()
        return SystemAnswer(
            version=__version__,
            url=context.settings.url,
            domain=context.settings.domain,
            ready=ready(),
            isolation=list(abilities.isolation),
            warnings=list(abilities.warnings),
            toolchains=dict(builder.tools().versions()),
        )

    @api.get("/health", status_code=204, openapi_extra=OPEN)
    def health(response: Response) -> None:
        """204 when requests are served and unfinished work goes on; 503 while Highroad still comes up."""
        if not ready():
            response.status_code = 503

    return api
