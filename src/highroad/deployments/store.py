"""Tables of placements, deployments, their steps and instances."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from highroad.db.engine import Transaction, metadata
from highroad.db.keys import sealed_column
from highroad.db.pages import newest_first
from highroad.deployments.model import Deployment, DeploymentState, Instance, InstanceState, Kind, Placement, Plan, Step
from highroad.drivers.contract import InstanceSpec
from highroad.errors import Temporary, Unavailable
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.paging import Page, PageRequest
from highroad.projects.references import Delivered

placements = Table(
    "placements",
    metadata,
    Column("identity", Integer, primary_key=True, autoincrement=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("release_id", String(40)),
    Column("deployment_id", String(40)),
    Column("active_id", String(40)),
    Column("stopped", Boolean, nullable=False),
    Column("counts", Text, nullable=False),
    UniqueConstraint("service_id", "environment_id"),
    sqlite_autoincrement=True,  # an identity is an operating-system user: never given again
)
deployments = Table(
    "deployments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("release_id", String(40)),
    Column("run_id", String(40), index=True),
    Column("actor", String(255), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("configuration", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("plan", Text),
    Column("created_at", String(32), nullable=False),
    Column("started_at", String(32)),
    Column("finished_at", String(32)),
    Column("turn", Integer, nullable=False, server_default="1"),
    UniqueConstraint("service_id", "environment_id", "number"),
    Index("ix_deployments_state", "state"),
)
steps = Table(
    "deployment_steps",
    metadata,
    Column("deployment_id", String(40), ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("started_at", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("seconds", Float),
)
instances = Table(
    "instances",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("deployment_id", String(40), nullable=False, index=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("process", String(63), nullable=False),
    Column("position", Integer, nullable=False),
    Column("http", Boolean, nullable=False),
    Column("port", Integer, unique=True),
    Column("state", String(16), nullable=False),
    Column("spec", Text, nullable=False),
    Column("drain", Float, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("changed_at", String(32), nullable=False),
    Index("ix_instances_place", "service_id", "environment_id", "state"),
)


_CONFIGURATION = sealed_column(deployments, "configuration", "deployment:{id}")
_SPEC = sealed_column(instances, "spec", "instance:{id}")


class PortTaken(Unavailable, Temporary):
    """Two transactions chose the same port; the one that is tried again sees it taken."""

    code = "port-taken"


_plan = TypeAdapter(Plan)
_spec = TypeAdapter(InstanceSpec)


# Placements


def placement(tx: Transaction, service_id: str, environment_id: str, *, lock: bool = False) -> Placement:
    """The placement, made when the service meets this environment for the first time. With `lock`, whoever else wants
    the lock waits until this transaction ends."""
    found = find_placement(tx, service_id, environment_id, lock=lock)
    if found is None:
        values = {"service_id": service_id, "environment_id": environment_id, "stopped": False, "counts": "{}"}
        # Somebody else may have made it since.
        tx.execute(
            tx.insert(placements)
            .values(**values)
            .on_conflict_do_nothing(index_elements=[placements.c.service_id, placements.c.environment_id])
        )
        found = find_placement(tx, service_id, environment_id, lock=lock)
        assert found is not None, "it was just inserted"
    return found


def find_placement(tx: Transaction, service_id: str, environment_id: str, *, lock: bool = False) -> Placement | None:
    here = (placements.c.service_id == service_id, placements.c.environment_id == environment_id)
    statement = select(placements).where(*here)
    row = tx.execute(statement.with_for_update(key_share=True) if lock else statement).mappings().first()
    return _placement(row) if row else None


def list_placements(
    tx: Transaction, *, service_id: str | None = None, environment_id: str | None = None
) -> list[Placement]:
    statement = select(placements).order_by(placements.c.identity)
    if service_id is not None:
        statement = statement.where(placements.c.service_id == service_id)
    if environment_id is not None:
        statement = statement.where(placements.c.environment_id == environment_id)
    return [_placement(row) for row in tx.execute(statement).mappings()]


def update_placement(tx: Transaction, identity: int, **values: Any) -> None:
    if "counts" in values:
        values["counts"] = json.dumps(values["counts"])
    tx.execute(update(placements).where(placements.c.identity == identity).values(**values))


def take_turn(tx: Transaction, identity: int, deployment_id: str) -> bool:
    """Make this the deployment at work; False when another one is."""
    free = (placements.c.identity == identity, placements.c.active_id.is_(None))
    return tx.execute(update(placements).where(*free).values(active_id=deployment_id)).rowcount == 1


def end_turn(tx: Transaction, deployment_id: str) -> None:
    tx.execute(update(placements).where(placements.c.active_id == deployment_id).values(active_id=None))


# Deployments


def add_deployment(
    tx: Transaction,
    *,
    service_id: str,
    environment_id: str,
    kind: Kind,
    release_id: str | None,
    run_id: str | None,
    actor: str,
    origin: str,
    configuration: Delivered,
    counts: Mapping[str, int],
    state: DeploymentState = "queued",
) -> Deployment:
    placement(tx, service_id, environment_id, lock=True)  # one at a time draws a number here
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    number = (tx.execute(select(func.max(deployments.c.number)).where(*here)).scalar() or 0) + 1
    id = new_id("dep")
    tx.execute(
        insert(deployments).values(
            id=id,
            number=number,
            service_id=service_id,
            environment_id=environment_id,
            kind=kind,
            release_id=release_id,
            run_id=run_id,
            actor=actor,
            origin=origin,
            state=state,
            step="",
            reason="",
            next_step="",
            cancel=False,
            configuration=_CONFIGURATION.seal(tx, configuration.to_json(), id=id),
            counts=json.dumps(dict(counts)),
            created_at=rfc3339(now()),
        )
    )
    found = deployment(tx, id)
    assert found is not None, "it was just inserted"
    return found


def deployment(tx: Transaction, id: str) -> Deployment | None:
    row = tx.execute(select(deployments).where(deployments.c.id == id)).mappings().first()
    return _deployment(tx, row) if row else None


def list_deployments(tx: Transaction, service_id: str, environment_id: str, request: PageRequest) -> Page[Deployment]:
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    return newest_first(
        tx, select(deployments).where(*here), deployments.c.id, request, lambda row: _deployment(tx, row)
    )


def deployments_of_run(tx: Transaction, run_id: str) -> list[Deployment]:
    statement = select(deployments).where(deployments.c.run_id == run_id).order_by(deployments.c.id)
    return [_deployment(tx, row) for row in tx.execute(statement).mappings().all()]


def deployments_in(
    tx: Transaction,
    state: DeploymentState | Sequence[DeploymentState],
    service_id: str | None = None,
    environment_id: str | None = None,
) -> list[Deployment]:
    """Oldest first."""
    states = [state] if isinstance(state, str) else list(state)
    statement = select(deployments).where(deployments.c.state.in_(states)).order_by(deployments.c.id)
    if service_id is not None:
        statement = statement.where(deployments.c.service_id == service_id)
    if environment_id is not None:
        statement = statement.where(deployments.c.environment_id == environment_id)
    return [_deployment(tx, row) for row in tx.execute(statement).mappings().all()]


def last_success(tx: Transaction, service_id: str, environment_id: str, release_id: str) -> Deployment | None:
    """The newest deployment that brought `release_id` here: a rollback takes its configuration."""
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    mine = (deployments.c.release_id == release_id, deployments.c.state == "succeeded", deployments.c.kind != "stop")
    statement = select(deployments).where(*here, *mine).order_by(deployments.c.id.desc()).limit(1)
    row = tx.execute(statement).mappings().first()
    return _deployment(tx, row) if row else None


def released_here(tx: Transaction, service_id: str, environment_id: str, *, limit: int) -> list[str]:
    """Ids of the releases that succeeded here, newest deployment first, each once."""
    here = (deployments.c.service_id == service_id, deployments.c.environment_id == environment_id)
    good = (deployments.c.state == "succeeded", deployments.c.release_id.is_not(None))
    newest = func.max(deployments.c.id)
    statement = select(deployments.c.release_id).where(*here, *good).group_by(deployments.c.release_id)
    return [str(row[0]) for row in tx.execute(statement.order_by(newest.desc()).limit(limit))]


def move_deployment(
    tx: Transaction, id: str, from_states: Iterable[DeploymentState], to: DeploymentState, **values: Any
) -> bool:
    """Compare-and-set; False when the deployment was in none of `from_states`."""
    statement = update(deployments).where(deployments.c.id == id, deployments.c.state.in_(list(from_states)))
    return tx.execute(statement.values(state=to, **values)).rowcount == 1


def update_deployment(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(deployments).where(deployments.c.id == id).values(**values))


def set_plan(tx: Transaction, id: str, plan: Plan) -> None:
    update_deployment(tx, id, plan=plan_to_text(plan))


def plan_to_text(plan: Plan) -> str:
    return _plan.dump_json(plan).decode()


def plan_of_text(text: str) -> Plan:
    return _plan.validate_json(text)


def set_configuration(tx: Transaction, id: str, configuration: Delivered) -> None:
    update_deployment(tx, id, configuration=_CONFIGURATION.seal(tx, configuration.to_json(), id=id))


def cancel_asked(tx: Transaction, id: str) -> bool:
    return bool(tx.execute(select(deployments.c.cancel).where(deployments.c.id == id)).scalar())


def begin_step(tx: Transaction, id: str, name: str) -> None:
    tx.execute(delete(steps).where(steps.c.deployment_id == id, steps.c.name == name))
    tx.execute(insert(steps).values(deployment_id=id, name=name, started_at=rfc3339(now()), state="running"))
    update_deployment(tx, id, step=name)


def end_step(tx: Transaction, id: str, name: str, state: str, seconds: float) -> None:
    statement = update(steps).where(steps.c.deployment_id == id, steps.c.name == name)
    tx.execute(statement.values(state=state, seconds=round(seconds, 4)))


# Instances


def add_instance(
    tx: Transaction,
    *,
    deployment: Deployment,
    process: str,
    index: int,
    http: bool,
    port: int | None,
    spec: InstanceSpec,
    drain: float,
) -> Instance:
    """Raises `PortTaken`."""
    created = now()
    instance = Instance(
        spec.id,
        deployment.id,
        deployment.service_id,
        deployment.environment_id,
        process,
        index,
        http,
        port,
        "starting",
        spec,
        drain,
        created,
        created,
    )
    with _port_taken(port):
        tx.execute(insert(instances).values(**_row_of(tx, instance)))
    return instance


def _row_of(tx: Transaction, instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "deployment_id": instance.deployment_id,
        "service_id": instance.service_id,
        "environment_id": instance.environment_id,
        "process": instance.process,
        "position": instance.index,
        "http": instance.http,
        "port": instance.port,
        "state": instance.state,
        "spec": _SPEC.seal(tx, _spec.dump_json(instance.spec).decode(), id=instance.id),
        "drain": instance.drain,
        "created_at": rfc3339(instance.created_at),
        "changed_at": rfc3339(instance.changed_at),
    }


@contextmanager
def _port_taken(port: int | None) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if port is None:
            raise
        raise PortTaken(
            f"Port {port} was given to another instance at the same moment.", next_step="Try again."
        ) from error


def instances_at(
    tx: Transaction, service_id: str, environment_id: str, states: Sequence[InstanceState] = ("starting", "serving")
) -> list[Instance]:
    here = (instances.c.service_id == service_id, instances.c.environment_id == environment_id)
    statement = select(instances).where(*here, instances.c.state.in_(list(states)))
    rows = tx.execute(statement.order_by(instances.c.process, instances.c.position)).mappings()
    return [_instance(tx, row) for row in rows]


def instances_of(tx: Transaction, deployment_id: str) -> list[Instance]:
    statement = select(instances).where(instances.c.deployment_id == deployment_id)
    rows = tx.execute(statement.order_by(instances.c.process, instances.c.position)).mappings()
    return [_instance(tx, row) for row in rows]


def instances_by_id(tx: Transaction, ids: Sequence[str]) -> list[Instance]:
    if not ids:
        return []
    rows = tx.execute(select(instances).where(instances.c.id.in_(list(ids))).order_by(instances.c.id)).mappings()
    return [_instance(tx, row) for row in rows]


def live_instances(tx: Transaction) -> list[Instance]:
    """All that should be running now, of every service: what recovery brings back."""
    statement = select(instances).where(instances.c.state != "stopped").order_by(instances.c.id)
    return [_instance(tx, row) for row in tx.execute(statement).mappings()]


def set_instances(tx: Transaction, ids: Sequence[str], state: InstanceState) -> None:
    """Move instances; one that stops gives its port back."""
    if ids:
        values: dict[str, Any] = {"state": state, "changed_at": rfc3339(now())}
        if state == "stopped":
            values["port"] = None
        tx.execute(update(instances).where(instances.c.id.in_(list(ids))).values(**values))


def move_to_port(tx: Transaction, id: str, spec: InstanceSpec) -> None:
    """The instance will listen on the port of its new `spec`. Raises `PortTaken`."""
    values = {"port": spec.port, "spec": _SPEC.seal(tx, _spec.dump_json(spec).decode(), id=id)}
    with _port_taken(spec.port):
        tx.execute(update(instances).where(instances.c.id == id).values(**values))


def forget_stopped(tx: Transaction, service_id: str, environment_id: str, *, keep: int) -> None:
    """Delete the rows of stopped instances beyond the newest `keep`."""
    here = (instances.c.service_id == service_id, instances.c.environment_id == environment_id)
    stopped = select(instances.c.id).where(*here, instances.c.state == "stopped").order_by(instances.c.id.desc())
    old = [row[0] for row in tx.execute(stopped.offset(keep))]
    if old:
        tx.execute(delete(instances).where(instances.c.id.in_(old)))


def ports_in_use(tx: Transaction) -> set[int]:
    return {int(row[0]) for row in tx.execute(select(instances.c.port).where(instances.c.port.is_not(None)))}


def _placement(row: RowMapping) -> Placement:
    return Placement(
        row["identity"],
        row["service_id"],
        row["environment_id"],
        row["release_id"],
        row["deployment_id"],
        row["active_id"],
        row["stopped"],
        json.loads(row["counts"]),
    )


def _deployment(tx: Transaction, row: RowMapping) -> Deployment:
    statement = select(steps).where(steps.c.deployment_id == row["id"]).order_by(steps.c.started_at)
    return Deployment(
        id=row["id"],
        number=row["number"],
        service_id=row["service_id"],
        environment_id=row["environment_id"],
        kind=row["kind"],
        release_id=row["release_id"],
        run_id=row["run_id"],
        actor=row["actor"],
        origin=row["origin"],
        state=row["state"],
        step=row["step"],
        reason=row["reason"],
        next_step=row["next_step"],
        cancel=row["cancel"],
        configuration=Delivered.from_json(_CONFIGURATION.open(tx, row)),
        counts=json.loads(row["counts"]),
        plan=_plan.validate_json(row["plan"]) if row["plan"] else None,
        created_at=parse_rfc3339(row["created_at"]),
        started_at=parse_rfc3339(row["started_at"]) if row["started_at"] else None,
        finished_at=parse_rfc3339(row["finished_at"]) if row["finished_at"] else None,
        steps=tuple(Step(each["name"], each["state"], each["seconds"]) for each in tx.execute(statement).mappings()),
        turn=row["turn"],
    )


def _instance(tx: Transaction, row: RowMapping) -> Instance:
    return Instance(
        row["id"],
        row["deployment_id"],
        row["service_id"],
        row["environment_id"],
        row["process"],
        row["position"],
        row["http"],
        row["port"],
        row["state"],
        _spec.validate_json(_SPEC.open(tx, row)),
        row["drain"],
        parse_rfc3339(row["created_at"]),
        parse_rfc3339(row["changed_at"]),
    )
