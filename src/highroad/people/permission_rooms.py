"""The routers of roles, grants and policies together, for the composition root and the tests of the portal."""

from __future__ import annotations

from fastapi import APIRouter

from highroad.people import access_api, access_pages, policies_api, policies_pages, roles_api, roles_pages
from highroad.people.whereabouts import Whereabouts
from highroad.web.context import Context


def api_routers(context: Context, where: Whereabouts) -> list[APIRouter]:
    return [access_api.router(context, where), roles_api.router(context), policies_api.router(context, where)]


def page_routers(context: Context, where: Whereabouts) -> list[APIRouter]:
    return [access_pages.router(context, where), roles_pages.router(context), policies_pages.router(context, where)]
