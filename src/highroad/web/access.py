"""Signing in, tokens and users over HTTP. It stands here and not in `access`, which the ground of `web` builds upon."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from highroad.access import actions, store
from highroad.access.model import SCOPES, Actor, Token, User
from highroad.access.permissions import require
from highroad.settings import Settings
from highroad.web.api import OPEN, SECRET, Answer, Body, Instant, Listing, api_router
from highroad.web.auth import client_address, origin_of, signed_in
from highroad.web.context import Context


class SignIn(Body):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1000)
    name: str = Field(default="", max_length=120, description="What the token is for.")


class LoginRequest(Body):
    name: str = Field(default="", max_length=120, description="The device, as its owner recognises it.")


class LoginSecret(Body):
    secret: str = Field(max_length=100)


class NewToken(Body):
    name: str = Field(max_length=120)
    scopes: list[str] = Field(default=["read", "write", "git"], description="Among read, write, git, admin.")
    expires_in_days: int | None = Field(default=actions.TOKEN_LIFE_DAYS, ge=1, le=3650)


class NewUser(Body):
    email: str = Field(max_length=254)
    name: str = Field(default="", max_length=120)
    admin: bool = False


class UserChange(Body):
    name: str | None = Field(default=None, min_length=1, max_length=120)
    admin: bool | None = None
    active: bool | None = None


class PasswordChange(Body):
    current: str | None = Field(default=None, max_length=1000)
    new: str = Field(max_length=1000)


class UserAnswer(Answer):
    id: str
    email: str
    name: str
    admin: bool
    active: bool
    created_at: Instant


class InvitedUser(UserAnswer):
    sign_in_link: str


class TokenAnswer(Answer):
    id: str
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None


class IssuedToken(TokenAnswer):
    token: str = Field(description="The secret; it is shown this once.")


class Me(Answer):
    id: str
    kind: str
    email: str
    name: str
    admin: bool
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


class SignInLink(Answer):
    sign_in_link: str


def link_url(settings: Settings, secret: str) -> str:
    # In the fragment, which browsers keep to themselves: no log and no Referer ever holds it.
    return f"{settings.url}/sign-in/link#{secret}"


def router(context: Context) -> APIRouter:
    api = api_router("access")
    _add_sign_in(api, context)
    _add_me(api, context)
    _add_users(api, context)
    return api


def _add_sign_in(api: APIRouter, context: Context) -> None:
    @api.post("/sign-in", dependencies=[SECRET], openapi_extra=OPEN)
    def sign_in(request: Request, body: SignIn) -> SignedIn:
        """A token for an email address and a password."""
        user = actions.check_password(
            context.db,
            context.log,
            email=body.email,
            password=body.password,
            address=client_address(request),
            origin=origin_of(request),
        )
        scopes = tuple(scope for scope in SCOPES if scope in actions.scopes_of(user))
        with context.db.begin() as tx:
            name = body.name.strip() or "signed in with a password"
            _, secret = actions.issue_token(
                tx, context.log, user, name=name, scopes=scopes, days=actions.TOKEN_LIFE_DAYS, origin=origin_of(request)
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

    @api.get("/me")
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
            admin=actor.admin,
            scopes=sorted(actor.scopes),
            token=_token(token) if token else None,
        )

    @api.post("/me/password", status_code=204)
    def set_password(actor: Annotated[Actor, actor_of], body: PasswordChange) -> None:
        """Set one's own password; the present one is needed, and a first one is set in the portal.

        It takes a token of all one's scopes. Other sessions end.
        """
        actions.set_password(context.db, context.log, actor, current=body.current, new=body.new)

    @api.get("/tokens")
    def list_tokens(actor: Annotated[Actor, actor_of]) -> Listing[TokenAnswer]:
        """One's own tokens, without their secrets; also those that were revoked or have expired."""
        require(actor, "self:read")
        with context.db.read() as tx:
            return Listing(items=[_token(each) for each in store.list_tokens(tx, actor.id)])

    @api.post("/tokens", status_code=201, dependencies=[SECRET])
    def create_token(actor: Annotated[Actor, actor_of], body: NewToken) -> IssuedToken:
        """A further token, with scopes among one's own. Its secret is shown this once.

        It ends with the token that it was asked for by, whether that one expires or is revoked.
        """
        with context.db.begin() as tx:
            token, secret = actions.create_token(
                tx, context.log, actor, name=body.name, scopes=body.scopes, days=body.expires_in_days
            )
        return IssuedToken(**_token(token).model_dump(mode="python"), token=secret)

    @api.delete("/tokens/{id}", status_code=204)
    def revoke_token(actor: Annotated[Actor, actor_of], id: str) -> None:
        """End one of one's own tokens at once, and those that were made by it."""
        with context.db.begin() as tx:
            actions.revoke_token(tx, context.log, actor, id)


def _add_users(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/users")
    def list_users(actor: Annotated[Actor, actor_of]) -> Listing[UserAnswer]:
        """Everybody who may sign in, or once might."""
        require(actor, "user:read")
        with context.db.read() as tx:
            return Listing(items=[_user(each) for each in store.list_users(tx)])

    @api.post("/users", status_code=201, dependencies=[SECRET])
    def create_user(actor: Annotated[Actor, actor_of], body: NewUser) -> InvitedUser:
        """Invite somebody: the answer holds a one-time link to sign in with, valid a day."""
        with context.db.begin() as tx:
            user = actions.create_user(tx, context.log, actor, email=body.email, name=body.name, admin=body.admin)
            secret = actions.make_link(tx, actor, user.id)
        return InvitedUser(**_user(user).model_dump(mode="python"), sign_in_link=link_url(context.settings, secret))

    @api.post("/users/{id}/sign-in-link", status_code=201, dependencies=[SECRET])
    def make_link(actor: Annotated[Actor, actor_of], id: str) -> SignInLink:
        """A new one-time link for somebody who cannot sign in. An older one that was not used opens no longer."""
        with context.db.begin() as tx:
            return SignInLink(sign_in_link=link_url(context.settings, actions.make_link(tx, actor, id)))

    @api.patch("/users/{id}")
    def change_user(actor: Annotated[Actor, actor_of], id: str, body: UserChange) -> UserAnswer:
        """Change, deactivate or activate somebody. Deactivation ends sessions and tokens at once."""
        with context.db.begin() as tx:
            changed = actions.change_user(
                tx, context.log, actor, id, name=body.name, admin=body.admin, active=body.active
            )
        return _user(changed)


def _user(user: User) -> UserAnswer:
    return UserAnswer.model_validate(user)


def _token(token: Token) -> TokenAnswer:
    return TokenAnswer.model_validate(token)
