"""The proof of the audit log over HTTP: checkpoints, tiles at the paths of C2SP tlog-tiles, proofs, keys, the check of
the live log; how long it is kept, and who witnesses it."""

# No postponed annotations here: FastAPI reads them, and dependencies are local to the router function.
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.audit import actions, archive, retention, store, tree
from highroad.audit.entry import entries, entry
from highroad.audit.sequencer import Sequencer
from highroad.audit.store import Statement, Witness
from highroad.db.engine import Transaction
from highroad.errors import FieldError, Invalid, NotFound
from highroad.transparency import notes
from highroad.transparency.findings import Report
from highroad.transparency.tiles import HASH, WIDTH, bundle, parse_path
from highroad.web.api import SECRET, Answer, Body, Instant, Listing, api_router, does
from highroad.web.auth import signed_in
from highroad.web.context import Context

STATEMENTS = 100
BYTES = "application/octet-stream"
Hexadecimal = Annotated[str, Field(description="SHA-256 in hexadecimal.")]


class NoSuchTile(NotFound):
    code = "no-such-tile"


class NotInTheLog(NotFound):
    code = "event-not-in-the-log"
    title = "There is no such event in the audit log"


class BadTreeSize(Invalid):
    code = "bad-tree-size"
    title = "The tree never had that size"


class CheckpointAnswer(Answer):
    """`note` is the checkpoint itself, a C2SP signed note."""

    size: int
    root: Hexadecimal
    time: Instant
    note: str


class KeysAnswer(Answer):
    """`keys` are all that ever signed this log, oldest first, as `name+hash+base64`; `cosigning` are the same keys as
    the type that signs the time."""

    origin: str
    keys: list[str]
    cosigning: list[str]


class InclusionAnswer(Answer):
    """`line` is the entry whose hash (SHA-256 of a zero byte and the line) stands at `position`; `proof` leads from it
    to the root that `checkpoint` signs (RFC 6962, 2.1.1)."""

    line: str
    position: int
    leaf: Hexadecimal
    proof: list[Hexadecimal]
    size: int
    checkpoint: str


class ConsistencyAnswer(Answer):
    """`proof` shows that the tree of `second` leaves begins with that of `first` (RFC 6962, 2.1.2)."""

    first: int
    second: int
    proof: list[Hexadecimal]


class FindingAnswer(Answer):
    kind: str
    detail: str
    line: int | None
    position: int | None
    seq: int | None
    id: str | None


class ReportAnswer(Answer):
    """`sound` when nothing is wrong. `faults` counts what is, of which `findings` name at most a thousand."""

    sound: bool
    origin: str
    size: int
    root: str
    signed_at: Instant | None
    events: int
    dropped: int
    checkpoints: int
    faults: int
    findings: list[FindingAnswer]


class StatementAnswer(Answer):
    """`count` events were dropped, so that positions 0 to `end` are gone; `note` is signed, with the root over them."""

    end: int
    count: int
    through_seq: int
    root: str
    time: Instant
    policy: str
    note: str


class RetentionAnswer(Answer):
    days: int
    statements: list[StatementAnswer]


class RetentionChange(Body):
    days: int = Field(description="How many days events are kept from now on.")


class NewWitness(Body):
    kind: str = Field(max_length=16, description="webhook or git.")
    address: str = Field(max_length=500, description="https://HOST/PATH of a webhook, or of a repository to push to.")
    password: str | None = Field(
        default=None, max_length=500, description="What an HTTPS repository asks for; the user name is highroad."
    )


class WitnessAnswer(Answer):
    """`size` is that of the last checkpoint it took."""

    id: str
    kind: str
    address: str
    size: int
    failures: int
    error: str | None
    seen_at: Instant | None
    created_at: Instant


class MadeWitness(WitnessAnswer):
    secret: str | None = Field(description="The signing secret of a webhook (Standard Webhooks); shown this once.")


def router(context: Context, sequencer: Sequencer) -> APIRouter:
    api = api_router("audit")
    _add_log(api, context, sequencer)
    _add_tiles(api, context)
    _add_proofs(api, context, sequencer)
    _add_checks(api, context, sequencer)
    _add_retention(api, context)
    _add_witnesses(api, context)
    return api


def _add_log(api: APIRouter, context: Context, sequencer: Sequencer) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/audit/checkpoint", response_class=PlainTextResponse, openapi_extra=does("audit:read"))
    def show_checkpoint(actor: Annotated[Actor, actor_of]) -> PlainTextResponse:
        """The newest checkpoint as a signed note; it covers everything that is committed when it is asked for."""
        require(actor, "audit:read")
        return PlainTextResponse(sequencer.catch_up().note)

    @api.get("/audit/checkpoints", openapi_extra=does("audit:read"))
    def list_checkpoints(
        actor: Annotated[Actor, actor_of],
        before: Annotated[int | None, Query(description="Only smaller ones than this size.", ge=0, le=2**53)] = None,
        page_size: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Listing[CheckpointAnswer]:
        """Checkpoints that are kept, newest first: all of the last day, and of older ones the last of each hour."""
        require(actor, "audit:read")
        with context.db.read() as tx:
            found = store.newest_checkpoints(tx, before=before, limit=page_size)
        return Listing(items=[CheckpointAnswer.model_validate(each) for each in found])

    @api.get("/audit/keys", openapi_extra=does("audit:read"))
    def show_keys(actor: Annotated[Actor, actor_of]) -> KeysAnswer:
        """The public keys that checkpoints are verified with. Write them down outside of this installation."""
        require(actor, "audit:read")
        origin = sequencer.key.name
        with context.db.read() as tx:
            keys = store.known_keys(tx)
        cosigning = [notes.public_key(each).text(notes.COSIGNATURE) for each in keys]
        return KeysAnswer(origin=origin, keys=keys, cosigning=cosigning)


def _add_tiles(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get(
        "/audit/tile/{level}/{id:path}",
        response_class=Response,
        responses={200: {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}},
        openapi_extra=does("audit:read"),
    )
    def show_tile(actor: Annotated[Actor, actor_of], level: str, id: str) -> Response:
        """A tile of the tree, or with the level `entries` the events of one, as C2SP tlog-tiles lays them out."""
        require(actor, "audit:read")
        found = parse_path(id)
        if found is None or not (level == "entries" or (level.isascii() and level.isdigit() and int(level[:3]) < 64)):
            raise _no_tile(level, id)
        number, width = found
        with context.db.read() as tx:
            content = _entries(tx, number, width) if level == "entries" else _hashes(tx, int(level), number, width)
        if content is None:
            raise _no_tile(level, id)
        return Response(content, media_type=BYTES)


def _no_tile(level: str, path: str) -> NoSuchTile:
    return NoSuchTile(
        f"There is no tile {level[:20]}/{path[:100]} yet, or retention has dropped its events.",
        next_step="Ask for the tiles of the size that the checkpoint states: /api/v1/audit/checkpoint",
    )


def _hashes(tx: Transaction, level: int, number: int, width: int) -> bytes | None:
    found = store.tile(tx, level, number)
    return None if found is None or found.width < width else bytes.fromhex(found.hashes)[: width * HASH]


def _entries(tx: Transaction, number: int, width: int) -> bytes | None:
    found = store.tile(tx, 0, number)
    if found is None or found.width < width or found.first_seq is None:
        return None
    rows = entries(tx, after=found.first_seq - 1, limit=WIDTH, through=found.last_seq)
    return bundle([each.line for each in rows[:width]]) if len(rows) == found.width else None


def _add_proofs(api: APIRouter, context: Context, sequencer: Sequencer) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/audit/events/{id}/proof", openapi_extra=does("audit:read"))
    def prove_event(actor: Annotated[Actor, actor_of], id: str) -> InclusionAnswer:
        """That an event stands in the log: its line, its place, and the hashes up to the signed root."""
        require(actor, "audit:read")
        sequencer.catch_up()
        with context.db.read() as tx:
            found = entry(tx, id)
            proof = tree.inclusion(tx, found.seq) if found else None
        if found is None or proof is None:
            raise NotInTheLog(
                "No event has this id, or retention has dropped it.", next_step="Search for it: highroad audit search"
            )
        return InclusionAnswer(
            line=found.line.decode(),
            position=proof.position,
            leaf=tree.leaf_of(found).hex(),
            proof=[each.hex() for each in proof.hashes],
            size=proof.checkpoint.size,
            checkpoint=proof.checkpoint.note,
        )

    @api.get("/audit/consistency", openapi_extra=does("audit:read"))
    def prove_consistency(
        actor: Annotated[Actor, actor_of],
        first: Annotated[int, Query(description="The size of the older tree.", ge=0, le=2**53)] = 0,
        second: Annotated[int | None, Query(description="The size of the newer one.", ge=0, le=2**53)] = None,
    ) -> ConsistencyAnswer:
        """That the log only grew between two sizes, such as those of a checkpoint that you kept and of the newest."""
        require(actor, "audit:read")
        newest = sequencer.catch_up()
        until = newest.size if second is None else second
        if not first <= until <= newest.size:
            raise BadTreeSize(
                f"The tree has {newest.size} leaves; asked was for {first} to {until}.",
                next_step="Take the sizes of two checkpoints, the smaller one first.",
                errors=[FieldError("/first", "must be at most second"), FieldError("/second", "must be a size it had")],
            )
        with context.db.read() as tx:
            proof = tree.consistency(tx, first, until)
        return ConsistencyAnswer(first=first, second=until, proof=[each.hex() for each in proof])


def _add_checks(api: APIRouter, context: Context, sequencer: Sequencer) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/audit/verification", openapi_extra=does("audit:read"))
    def verify_log(actor: Annotated[Actor, actor_of]) -> ReportAnswer:
        """Check every event that is kept against the tree and the signed checkpoints, now: about half a minute for a
        million. It is recorded."""
        actions.record_check(context.db, context.log, actor)
        return report_answer(archive.verify_live(sequencer))


def report_answer(report: Report) -> ReportAnswer:
    findings = [FindingAnswer(**asdict(each)) for each in report.findings]
    return ReportAnswer(
        sound=report.sound,
        origin=report.origin,
        size=report.size,
        root=report.root.hex(),
        signed_at=report.signed_at,
        events=report.events,
        dropped=report.dropped,
        checkpoints=report.checkpoints,
        faults=report.faults,
        findings=findings,
    )


def _add_retention(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))
    usual, fewest = context.settings.keep_events_days, context.settings.fewest_events_days

    @api.get("/audit/retention", openapi_extra=does("audit:read"))
    def show_retention(actor: Annotated[Actor, actor_of]) -> RetentionAnswer:
        """How long events are kept, and the newest signed statements of what was dropped."""
        require(actor, "audit:read")
        with context.db.read() as tx:
            return _retention(retention.days_kept(tx, usual), store.list_statements(tx, limit=STATEMENTS))

    @api.put("/audit/retention", openapi_extra=does("audit:write"))
    def change_retention(actor: Annotated[Actor, actor_of], body: RetentionChange) -> RetentionAnswer:
        """Keep events for so many days. What is older is dropped within a day, and does not come back: shortening it
        takes an owner."""
        with context.db.begin() as tx:
            days = actions.keep_days(tx, context.log, actor, body.days, usual, fewest)
            return _retention(days, store.list_statements(tx, limit=STATEMENTS))


def _retention(days: int, statements: list[Statement]) -> RetentionAnswer:
    return RetentionAnswer(days=days, statements=[StatementAnswer.model_validate(each) for each in statements])


def _add_witnesses(api: APIRouter, context: Context) -> None:
    actor_of = Depends(signed_in(context))

    @api.get("/audit/witnesses", openapi_extra=does("audit:read"))
    def list_witnesses(actor: Annotated[Actor, actor_of]) -> Listing[WitnessAnswer]:
        """Who gets each new checkpoint, how far they are, and what went wrong last."""
        require(actor, "audit:read")
        with context.db.read() as tx:
            return Listing(items=[WitnessAnswer.model_validate(each) for each in store.list_witnesses(tx)])

    @api.post("/audit/witnesses", status_code=201, dependencies=[SECRET], openapi_extra=does("audit:write"))
    def create_witness(actor: Annotated[Actor, actor_of], body: NewWitness) -> MadeWitness:
        """Give every new checkpoint to a webhook, or push it to a Git repository."""
        with context.db.begin() as tx:
            made = actions.add_witness(tx, context.log, actor, body.kind, body.address, body.password)
        context.bell.ring()
        return MadeWitness(**_witness(made.witness).model_dump(mode="python"), secret=made.secret)

    @api.delete("/audit/witnesses/{id}", status_code=204, openapi_extra=does("audit:write"))
    def remove_witness(actor: Annotated[Actor, actor_of], id: str) -> None:
        """Give it no more checkpoints. Those it has, it keeps."""
        with context.db.begin() as tx:
            actions.remove_witness(tx, context.log, actor, id)


def _witness(witness: Witness) -> WitnessAnswer:
    return WitnessAnswer.model_validate(witness)
