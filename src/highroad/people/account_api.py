"""One's own sessions and second factor over HTTP, and an administrator's way to end those of others."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access import sessions
from highroad.access.model import Actor, Session
from highroad.access.second_factor import actions
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class Password(Body):
    password: str = Field(default="", max_length=1000, description="The present one, if there is one.")


class Code(Body):
    code: str = Field(max_length=40, description="Six digits of the authenticator app.")


class CodeOrRecovery(Body):
    code: str = Field(max_length=40, description="Six digits of the authenticator app, or a recovery code.")


class SessionAnswer(Answer):
    id: str
    device: str = Field(description="What the browser says that it is.")
    agent: str
    address: str = Field(description="Where it was last seen from.")
    created_at: Instant
    last_seen_at: Instant
    expires_at: Instant
    current: bool = Field(description="Whether this request belongs to it.")


class Ended(Answer):
    ended: int = Field(description="How many sessions ended.")


class SecondFactor(Answer):
    enabled: bool
    recovery_codes_left: int
    required: bool = Field(description="Whether this installation wants one of you.")


class EnrolmentAnswer(Answer):
    seed: str = Field(description="To type into the authenticator app; shown this once.")
    address: str = Field(description="The same as an otpauth:// address, for a QR code.")


class RecoveryCodes(Answer):
    recovery_codes: list[str] = Field(description="Each signs you in once without the app; shown this once.")


def router(context: Context) -> APIRouter:
    api = api_router("access")
    _add_sessions(api, context)
    _add_second_factor(api, context)
    _add_for_administrators(api, context)
    return api


def _add_sessions(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/sessions", openapi_extra=does("self:read"))
    def list_sessions(actor: Annotated[Actor, actor_of]) -> Listing[SessionAnswer]:
        """Where you are signed in to the portal, the last used first."""
        with context.db.read() as tx:
            return Listing(items=[_session(each, actor) for each in sessions.list_sessions(tx, actor)])

    @api.delete("/sessions/{id}", status_code=204, openapi_extra=does("self:write"))
    def revoke_session(actor: Annotated[Actor, actor_of], id: str) -> None:
        """End one of your sessions at once."""
        with context.db.begin() as tx:
            sessions.revoke(tx, context.log, actor, id)

    @api.delete("/sessions", openapi_extra=does("self:write"))
    def revoke_sessions(actor: Annotated[Actor, actor_of]) -> Ended:
        """Sign out of the portal everywhere, but for the session that asks, if one does."""
        with context.db.begin() as tx:
            return Ended(ended=sessions.revoke_all(tx, context.log, actor))


def _add_second_factor(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/me/second-factor", openapi_extra=does("self:read"))
    def show_second_factor(actor: Annotated[Actor, actor_of]) -> SecondFactor:
        """Whether a code is asked of you at sign-in."""
        with context.db.read() as tx:
            found = actions.standing(tx, actor, rule=context.settings.second_factor)
        return SecondFactor.model_validate(found)

    @api.post("/me/second-factor", status_code=201, dependencies=[SECRET], openapi_extra=does("self:write"))
    def begin_second_factor(actor: Annotated[Actor, actor_of], body: Password) -> EnrolmentAnswer:
        """Begin to set one up: give the seed to an authenticator app, then confirm with its code.

        It takes a token of all one's scopes.
        """
        made = actions.begin(
            context.db, context.log, actor, password=body.password, installation=context.settings.domain
        )
        return EnrolmentAnswer.model_validate(made)

    @api.post("/me/second-factor/confirm", dependencies=[SECRET], openapi_extra=does("self:write"))
    def confirm_second_factor(actor: Annotated[Actor, actor_of], body: Code) -> RecoveryCodes:
        """Ask for codes from now on. Other sessions end; tokens stay."""
        return RecoveryCodes(recovery_codes=actions.confirm(context.db, context.log, actor, code=body.code))

    @api.post("/me/second-factor/recovery-codes", dependencies=[SECRET], openapi_extra=does("self:write"))
    def renew_recovery_codes(actor: Annotated[Actor, actor_of], body: CodeOrRecovery) -> RecoveryCodes:
        """Ten new recovery codes; the old ones count no more."""
        made = actions.renew_recovery_codes(context.db, context.log, actor, code=body.code)
        return RecoveryCodes(recovery_codes=made)

    @api.post("/me/second-factor/disable", status_code=204, openapi_extra=does("self:write"))
    def disable_second_factor(actor: Annotated[Actor, actor_of], body: CodeOrRecovery) -> None:
        """Ask for no codes any more. Refused where the installation wants a second factor of you."""
        actions.disable(context.db, context.log, actor, code=body.code, rule=context.settings.second_factor)


def _add_for_administrators(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.delete("/users/{id}/sessions", openapi_extra=does("user:write"))
    def revoke_sessions_of(actor: Annotated[Actor, actor_of], id: str) -> Ended:
        """Sign somebody out of the portal everywhere. Their tokens stay."""
        with context.db.begin() as tx:
            return Ended(ended=sessions.revoke_all_of(tx, context.log, actor, id))

    @api.delete("/users/{id}/second-factor", status_code=204, openapi_extra=does("user:write"))
    def reset_second_factor(actor: Annotated[Actor, actor_of], id: str) -> None:
        """For somebody who lost app and recovery codes: codes are asked for no more, and all their sessions end."""
        with context.db.begin() as tx:
            actions.reset(tx, context.log, actor, id)


def _session(session: Session, actor: Actor) -> SessionAnswer:
    assert session.created_at is not None, "it is stored"
    assert session.last_seen_at is not None, "it is stored"
    return SessionAnswer(
        id=session.name,
        device=sessions.device(session.agent),
        agent=session.agent,
        address=session.address,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        current=session.id == actor.session,
    )
