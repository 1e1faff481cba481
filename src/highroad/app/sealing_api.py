"""The keys that secrets are sealed with, over HTTP: their state and their rotation, which the caretaker carries on."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db import keys
from highroad.events import model as events
from highroad.events.model import Event
from highroad.sealing.keychain import Keychain
from highroad.web.api import Answer, Body, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context


class DataKey(Answer):
    id: str
    master: str = Field(description="The id of the master key that it is wrapped with.")
    created_at: str
    retired_at: str | None
    sealed: int = Field(description="How many texts need it.")


class SealingAnswer(Answer):
    master: str
    master_from: str = Field(description="Where the master key comes from.")
    rotating: bool = Field(description="Whether texts are still being sealed anew.")
    keys: list[DataKey]
    old_master_files: list[str] = Field(description="Master keys that only backups of before need.")


class RotateRequest(Body):
    master: bool = Field(default=False, description="The master key, and not the data key.")


def router(context: Context) -> APIRouter:
    api = api_router("sealing")
    actor_of = Depends(signed_in(context))
    keychain = Keychain(context.settings.data)

    @api.get("/sealing", openapi_extra=does("vault:read"))
    def sealing_status(actor: Annotated[Actor, actor_of]) -> SealingAnswer:
        """The keys that secrets are sealed with; never the keys themselves."""
        require(actor, "vault:read")
        return _status(context, keychain)

    @api.post("/sealing/rotate", openapi_extra=does("sealing:write"))
    def rotate_keys(actor: Annotated[Actor, actor_of], body: RotateRequest) -> SealingAnswer:
        """A new data key, with which everything is sealed anew while work goes on; or a new master key."""
        rotate(context, keychain, actor, master=body.master)
        return _status(context, keychain)

    return api


def rotate(context: Context, keychain: Keychain, actor: Actor, *, master: bool) -> None:
    """Make a new data key, or with `master` a new master key."""
    require(actor, "sealing:write")
    if master:
        adopted = keys.rotate_master(context.db, keychain)
    with context.db.begin() as tx:
        id = adopted.id if master else keys.rotate(tx)
        type = events.MASTER_KEY_ROTATED if master else events.DATA_KEY_ROTATED
        context.log.append(tx, Event(type, id, {"key": id}), actor)


def _status(context: Context, keychain: Keychain) -> SealingAnswer:
    with context.db.read() as tx:
        master = tx.keyring.master
        found = [
            DataKey(
                id=each.id,
                master=each.master,
                created_at=each.created_at,
                retired_at=each.retired_at or None,
                sealed=each.sealed,
            )
            for each in keys.status(tx)
        ]
    return SealingAnswer(
        master=master.id,
        master_from=str(master),
        rotating=any(each.retired_at and each.sealed for each in found),
        keys=found,
        old_master_files=keychain.old_files(),
    )
