"""Signing in, and oneself, over HTTP. It stands here and not in `access`, which the ground of `web` builds upon."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from highroad.access import actions, store, token_actions
from highroad.access.model import SCOPES, Actor, Token, User
from highroad.access.permissions import require
from highroad.access.second_factor import actions as second_factor
from highroad.settings import Settings
from highroad.web.api import OPEN, SECRET, Answer, Body, Instant, api_router, does
from highroad.web.auth import client_address, origin_of, signed_in
from highroad.web.context import Context


class SignIn(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    name: str = Field(default="", max_length=120, description="What the token is for.")
    code: str = Field(default="", max_length=40, description="Of the second factor, for accounts that have one.")


class LoginRequest(Body):
    name: str = Field(default="", max_length=120, description="The device, as its owner recognises it.")


class LoginSecret(Body):
    secret: str = Field(max_length=100)


class PasswordChange(Body):
    current: str | None = Field(default=None, max_length=1000)
    new: str = Field(max_length=1000)


class UserAnswer(Answer):
    id: str
    email: str
    name: str
    role: str
    active: bool
    created_at: Instant


class TokenAnswer(Answer):
    id: str
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None


class Me(Answer):
    id: str
    kind: str
    email: str
    name: str
    role: str
    scopes: list[str]
    token: TokenAnswer | None


class SignedIn(Answer):
    token: str
    actor: UserAnswer


class LoginAnswer(Answer):
    id: str
    user_code: str
    verify_url: str
    secret: str
    expires_at: Instant
    interval: float


def link_url(settings: Settings, secret: str) -> str:
    # In the fragment, which browsers keep to themselves: no log and no Referer ever holds it.
    return f"{settings.url}/sign-in/link#{secret}"


def router(context: Context) -> APIRouter:
    api = api_router("access")
    _add_sign_in(api, context)
    _add_me(api, context)
    return api


def _add_sign_in(api: APIRouter, context: Context) -> None:
    @api.post("/sign-in", dependencies=[SECRET], openapi_extra=OPEN)
    def sign_in(request: Request, body: SignIn) -> SignedIn:
        """A token for an email address and a password, and a code where the account has a second factor: without it,
        the answer is 401 with the code `second-factor-needed`."""
        user = actions.check_password(
            context.db,
            context.log,
            email=body.email,
            password=body.password,
            address=client_address(request),
            origin=origin_of(request),
        )
        second_factor.check_sign_in(
            context.db,
            context.log,
            user,
            code=body.code,
            address=client_address(request),
            origin=origin_of(request),
            rule=context.settings.second_factor,
        )
        scopes = tuple(scope for scope in SCOPES if scope in user.scopes)
        with context.db.begin() as tx:
            name = body.name.strip() or "signed in with a password"
            days, origin = token_actions.TOKEN_LIFE_DAYS, origin_of(request)
            _, secret = token_actions.issue_token(
                tx, context.log, user, name=name, scopes=scopes, days=days, origin=origin
            )
        return SignedIn(token=secret, actor=_user(user))

    @api.post("/logins", status_code=201, dependencies=[SECRET], openapi_extra=OPEN)
    def ask_login(request: Request, body: LoginRequest) -> LoginAnswer:
        """Ask to be signed in by a person in the portal, as RFC 8628 does for devices."""
        with context.db.begin() as tx:
            login, secret = actions.ask_login(tx, device=body.name, address=client_address(request))
        return LoginAnswer(
            id=login.id,
            user_code=login.user_code,
            verify_url=f"{context.settings.url}/login/{login.user_code}",
            secret=secret,
            expires_at=login.expires_at,
            interval=1.0,
        )

    @api.post(
        "/logins/{id}/token",
        response_model=SignedIn,
        responses={202: {"description": "Nobody decided yet."}},
        dependencies=[SECRET],
        openapi_extra=OPEN,
    )
    def collect_login(id: str, body: LoginSecret) -> SignedIn | Response:
        """The token of an approved login; 202 while it waits."""
        with context.db.begin() as tx:
            collected = actions.collect_login(tx, context.log, id, body.secret)
        if collected is None:
            return JSONResponse({"status": "pending"}, 202)
        user, secret = collected
        return SignedIn(token=secret, actor=_user(user))


def _add_me(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/me", openapi_extra=does("self:read"))
    def me(actor: Annotated[Actor, actor_of]) -> Me:
        """Who this token or session is."""
        require(actor, "self:read")
        with context.db.read() as tx:
            user = store.user(tx, actor.id)
            token = next((each for each in store.list_tokens(tx, actor.id) if each.id == actor.token), None)
        return Me(
            id=actor.id,
            kind=actor.kind,
            email=actor.name,
            name=user.name if user else actor.name,
            role=actor.role,
            scopes=sorted(actor.scopes),
            token=_token(token) if token else None,
        )

    @api.post("/me/password", status_code=204, openapi_extra=does("self:write"))
    def set_password(actor: Annotated[Actor, actor_of], body: PasswordChange) -> None:
        """Set one's own password; the present one is needed, and a first one is set in the portal.

        It takes a token of all one's scopes. Other sessions end.
        """
        actions.set_password(context.db, context.log, actor, current=body.current, new=body.new)


def _user(user: User) -> UserAnswer:
    return UserAnswer.model_validate(user)


def _token(token: Token) -> TokenAnswer:
    return TokenAnswer.model_validate(token)
