"""Tables of projects, environments, services and own host names."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import (
    Column,
    ForeignKey,
    RowMapping,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    insert,
    select,
    update,
)

from highroad.access import grants
from highroad.access.teams import teams
from highroad.db.engine import Transaction, metadata
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.paging import Page, PageRequest, page_of
from highroad.projects.model import Domain, Environment, Project, Service
from highroad.projects.variable_store import forget_variables

# What is being deleted keeps its rows until its processes and files are gone; `deleted_at` hides it and frees its name.
projects = Table(
    "projects",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("deleted_at", String(32), nullable=False, default=""),
    Column("team_id", String(40), ForeignKey("teams.id", ondelete="SET NULL")),
    UniqueConstraint("name", "deleted_at"),
)
environments = Table(
    "environments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", String(40), ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(63), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("branch", String(200)),
    Column("created_at", String(32), nullable=False),
    Column("deleted_at", String(32), nullable=False, default=""),
    UniqueConstraint("project_id", "name", "deleted_at"),
)
services = Table(
    "services",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", String(40), ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(63), nullable=False),
    Column("path", String(500), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("deleted_at", String(32), nullable=False, default=""),
    UniqueConstraint("project_id", "name", "deleted_at"),
)
domains = Table(
    "domains",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("service_id", String(40), ForeignKey("services.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("environment_id", String(40), ForeignKey("environments.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", String(32), nullable=False),
)


Deletable = Literal["project", "environment", "service"]
_TABLES: dict[Deletable, Table] = {"project": projects, "environment": environments, "service": services}


def add_project(tx: Transaction, name: str) -> Project:
    project = Project(new_id("prj"), name, now())
    tx.execute(insert(projects).values(id=project.id, name=name, created_at=rfc3339(project.created_at)))
    return project


def project(tx: Transaction, name: str) -> Project | None:
    row = tx.execute(_projects().where(projects.c.name == name, projects.c.deleted_at == "")).mappings().first()
    return _project(row) if row else None


def project_by_id(tx: Transaction, id: str) -> Project | None:
    row = tx.execute(_projects().where(projects.c.id == id)).mappings().first()
    return _project(row) if row else None


def update_project(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(projects).where(projects.c.id == id).values(**values))


def list_projects(tx: Transaction, request: PageRequest) -> Page[Project]:
    statement = _projects().where(projects.c.deleted_at == "").order_by(projects.c.name).limit(request.size + 1)
    if request.after is not None:
        statement = statement.where(projects.c.name > request.after)
    rows = [_project(row) for row in tx.execute(statement).mappings()]
    return page_of(rows, request, lambda each: each.name)


def names(tx: Transaction) -> dict[str, str]:
    """The names of all projects by their ids."""
    return {str(row.id): str(row.name) for row in tx.execute(select(projects.c.id, projects.c.name))}


def remove_project(tx: Transaction, id: str) -> None:
    grants.forget_project(tx, id)
    tx.execute(delete(projects).where(projects.c.id == id))


def _projects() -> Select[Any]:
    return select(projects, teams.c.name.label("team")).join(teams, teams.c.id == projects.c.team_id, isouter=True)


def _environments() -> Select[Any]:
    return (
        select(environments, projects.c.name.label("project"), teams.c.name.label("team"))
        .join(projects, projects.c.id == environments.c.project_id)
        .join(teams, teams.c.id == projects.c.team_id, isouter=True)
    )


def add_environment(tx: Transaction, project: Project, *, name: str, mode: str, branch: str | None) -> Environment:
    id = new_id("env")
    tx.execute(
        insert(environments).values(
            id=id, project_id=project.id, name=name, mode=mode, branch=branch, created_at=rfc3339(now())
        )
    )
    created = environment_by_id(tx, id)
    assert created is not None, "it was just inserted"
    return created


def environment(tx: Transaction, project_id: str, name: str) -> Environment | None:
    here = (environments.c.project_id == project_id, environments.c.name == name, environments.c.deleted_at == "")
    statement = _environments().where(*here)
    row = tx.execute(statement).mappings().first()
    return _environment(row) if row else None


def environment_by_id(tx: Transaction, id: str) -> Environment | None:
    row = tx.execute(_environments().where(environments.c.id == id)).mappings().first()
    return _environment(row) if row else None


def list_environments(tx: Transaction, project_id: str) -> list[Environment]:
    here = (environments.c.project_id == project_id, environments.c.deleted_at == "")
    statement = _environments().where(*here).order_by(environments.c.name)
    return [_environment(row) for row in tx.execute(statement).mappings()]


def update_environment(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(environments).where(environments.c.id == id).values(**values))


def remove_environment(tx: Transaction, id: str) -> None:
    forget_variables(tx, environment_id=id)
    tx.execute(delete(environments).where(environments.c.id == id))


def _services() -> Select[Any]:
    return (
        select(services, projects.c.name.label("project"), teams.c.name.label("team"))
        .join(projects, projects.c.id == services.c.project_id)
        .join(teams, teams.c.id == projects.c.team_id, isouter=True)
    )


def add_service(tx: Transaction, project: Project, *, name: str, path: str) -> Service:
    service = Service(new_id("svc"), project.id, project.name, name, path, now(), project.team)
    tx.execute(
        insert(services).values(
            id=service.id, project_id=project.id, name=name, path=path, created_at=rfc3339(service.created_at)
        )
    )
    return service


def service(tx: Transaction, project_id: str, name: str) -> Service | None:
    here = (services.c.project_id == project_id, services.c.name == name, services.c.deleted_at == "")
    statement = _services().where(*here)
    row = tx.execute(statement).mappings().first()
    return _service(row) if row else None


def service_by_id(tx: Transaction, id: str) -> Service | None:
    row = tx.execute(_services().where(services.c.id == id)).mappings().first()
    return _service(row) if row else None


def list_services(tx: Transaction, project_id: str | None = None) -> list[Service]:
    statement = _services().where(services.c.deleted_at == "").order_by(projects.c.name, services.c.name)
    if project_id is not None:
        statement = statement.where(services.c.project_id == project_id)
    return [_service(row) for row in tx.execute(statement).mappings()]


def update_service(tx: Transaction, id: str, **values: Any) -> None:
    tx.execute(update(services).where(services.c.id == id).values(**values))


def remove_service(tx: Transaction, id: str) -> None:
    forget_variables(tx, service_id=id)
    tx.execute(delete(services).where(services.c.id == id))


def mark_deleted(tx: Transaction, kind: Deletable, id: str) -> None:
    """Hide it, with all that belongs to it; its rows go when its processes and files have gone."""
    at = rfc3339(now())
    table = _TABLES[kind]
    tx.execute(update(table).where(table.c.id == id, table.c.deleted_at == "").values(deleted_at=at))
    if kind == "project":
        for inner in (environments, services):
            mine = (inner.c.project_id == id, inner.c.deleted_at == "")
            tx.execute(update(inner).where(*mine).values(deleted_at=at))


def marked_deleted(tx: Transaction) -> list[tuple[Deletable, str]]:
    """What waits for its removal."""
    return [
        (kind, row[0])
        for kind, table in _TABLES.items()
        for row in tx.execute(select(table.c.id).where(table.c.deleted_at != ""))
    ]


def service_ids(tx: Transaction, project_id: str) -> list[str]:
    """Of all services of a project, also those being deleted."""
    return [row[0] for row in tx.execute(select(services.c.id).where(services.c.project_id == project_id))]


def add_domain(tx: Transaction, host: str, service_id: str, environment_id: str) -> Domain:
    domain = Domain(host, service_id, environment_id, now())
    tx.execute(
        insert(domains).values(
            host=host, service_id=service_id, environment_id=environment_id, created_at=rfc3339(domain.created_at)
        )
    )
    return domain


def list_domains(tx: Transaction, service_id: str | None = None, environment_id: str | None = None) -> list[Domain]:
    statement = select(domains).order_by(domains.c.host)
    if service_id is not None:
        statement = statement.where(domains.c.service_id == service_id)
    if environment_id is not None:
        statement = statement.where(domains.c.environment_id == environment_id)
    return [
        Domain(row["host"], row["service_id"], row["environment_id"], parse_rfc3339(row["created_at"]))
        for row in tx.execute(statement).mappings()
    ]


def remove_domain(tx: Transaction, host: str, service_id: str, environment_id: str) -> bool:
    mine = (domains.c.host == host, domains.c.service_id == service_id, domains.c.environment_id == environment_id)
    return tx.execute(delete(domains).where(*mine)).rowcount == 1


def _project(row: RowMapping) -> Project:
    return Project(row["id"], row["name"], parse_rfc3339(row["created_at"]), row["team"])


def _environment(row: RowMapping) -> Environment:
    return Environment(
        row["id"],
        row["project_id"],
        row["project"],
        row["name"],
        row["mode"],
        row["branch"],
        parse_rfc3339(row["created_at"]),
        row["team"],
    )


def _service(row: RowMapping) -> Service:
    created = parse_rfc3339(row["created_at"])
    return Service(row["id"], row["project_id"], row["project"], row["name"], row["path"], created, row["team"])
