"""Values of external secrets, asked of their stores before a deployment is planned, outside of any transaction.

`wanted` reads what is in force, `fetched` asks: each store entry once, all within a bounded time. A failure names the
secret and what to do; one that may pass is `Temporary`, so that the step of the workflow is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from highroad.db.engine import Transaction
from highroad.errors import Invalid, Temporary, Unavailable
from highroad.projects import variable_store, vaults
from highroad.projects.model import Environment, Service, resolve
from highroad.projects.vaults import ExternalReference, Store
from highroad.vaults.command import BadVaultCommand
from highroad.vaults.contract import VaultRefused, VaultUnavailable

SECONDS = 20.0
"""How long all the external secrets of one service may take."""


class SecretUnavailable(Unavailable, Temporary):
    code = "external-secret-unavailable"
    title = "An external secret cannot be read now"


class SecretUnreadable(Invalid):
    code = "external-secret-unreadable"
    title = "An external secret cannot be read"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One external secret in force. `store` None: it was disconnected by a restore or by hand. `denied` says why the
    store is not read for its project, and what to do."""

    id: str
    name: str
    reference: ExternalReference
    store: Store | None
    prefix: str
    denied: tuple[str, str] | None = None


def wanted(tx: Transaction, service: Service, environment: Environment) -> list[Wanted]:
    reaching = variable_store.variables_in_force(tx, service.project_id, environment.id, service.id)
    found = []
    for variable in resolve(reaching):
        if variable.kind == "external":
            reference = vaults.reference_of(variable)
            store = vaults.find_store(tx, reference.source)
            prefix = vaults.prefix_for(store, service.project) if store else ""
            served = store is None or store.serves(service.project_id)
            denied = vaults.not_served(store, service.project) if store and not served else None
            found.append(Wanted(variable.id, variable.name, reference, store, prefix, denied))
    return found


def fetched(secrets: list[Wanted], commands: Path, *, seconds: float = SECONDS) -> dict[str, str]:
    """Values by the id of their variable; `commands` are the operator's programs.
    Raises `SecretUnavailable` and `SecretUnreadable`."""
    deadline = time.monotonic() + seconds
    entries: dict[tuple[str, str, int | None], Mapping[str, str]] = {}
    values = {}
    for each in secrets:
        reference = each.reference
        place = (reference.source, reference.path, reference.version)
        if place not in entries:
            if time.monotonic() > deadline:
                raise SecretUnavailable(
                    f"{each.name}: its store is too slow; {seconds:g} s were not enough.", next_step="Try again."
                )
            entries[place] = _entry(each, commands)
        if reference.key not in entries[place]:
            raise SecretUnreadable(
                f"{each.name}: {reference.path} in {reference.source} has no key {reference.key!r}.",
                next_step=f"Correct it: highroad secrets set {each.name} --from {reference.source}:PATH#KEY",
            )
        values[each.id] = entries[place][reference.key]
        if "\0" in values[each.id]:
            raise SecretUnreadable(
                f"{each.name}: its value holds a NUL character.", next_step="Store it as text, base64 for example."
            )
    return values


def _entry(each: Wanted, commands: Path) -> Mapping[str, str]:
    if each.store is None:
        raise SecretUnreadable(
            f"{each.name}: there is no store {each.reference.source}.",
            next_step=f"Connect it: highroad vaults add {each.reference.source}",
        )
    if each.denied is not None:
        raise SecretUnreadable(f"{each.name}: {each.denied[0]}", next_step=each.denied[1])
    if not each.reference.path.startswith(each.prefix):
        raise SecretUnreadable(
            f"{each.name}: this project reads below {each.prefix} only.",
            next_step=f"Correct it: highroad secrets set {each.name} --from {each.reference.source}:PATH#KEY",
        )
    try:
        return each.store.open(commands).read(each.reference.path, each.reference.version)
    except VaultUnavailable as error:
        raise SecretUnavailable(f"{each.name}: {error.detail}", next_step=error.next_step) from error
    except (VaultRefused, BadVaultCommand) as error:
        raise SecretUnreadable(f"{each.name}: {error.detail}", next_step=error.next_step) from error
