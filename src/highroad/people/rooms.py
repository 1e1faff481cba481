"""The routers of people, teams, accounts and tokens together, for the composition root and the tests of the portal."""

from __future__ import annotations

from fastapi import APIRouter

from highroad.people import (
    account_pages,
    accounts_api,
    invitation_pages,
    team_pages,
    teams_api,
    token_pages,
    tokens_api,
    user_pages,
    users_api,
)
from highroad.people.persons import ProjectNames
from highroad.people.scim import api as scim_api
from highroad.web.context import Context


def api_routers(context: Context, names: ProjectNames) -> list[APIRouter]:
    return [
        users_api.router(context, names),
        teams_api.router(context),
        accounts_api.router(context),
        tokens_api.router(context),
    ]


def scim_router(context: Context) -> APIRouter:
    return scim_api.router(context)


def page_routers(context: Context, names: ProjectNames) -> list[APIRouter]:
    return [
        user_pages.router(context, names),
        invitation_pages.router(context),
        team_pages.router(context, names),
        account_pages.router(context, names),
        token_pages.router(context),
    ]
