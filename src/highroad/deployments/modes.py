"""Changing an environment with what hangs on its mode: gates and policies that are set up for a mode guard what runs
and waits there, and a change of mode must not be the way around them. Called by the API and the portal.
"""

from __future__ import annotations

from collections.abc import Mapping

from highroad.access.model import Actor
from highroad.access.permissions import require
from highroad.db.engine import Transaction
from highroad.deployments import store
from highroad.errors import Conflict
from highroad.events.log import EventLog
from highroad.gates import actions as gate_actions
from highroad.gates import store as gates
from highroad.projects import actions as projects
from highroad.projects.model import Environment


class EnvironmentInUse(Conflict):
    code = "environment-in-use"
    title = "Something runs in the environment"


def change_environment(
    tx: Transaction, log: EventLog, actor: Actor, environment: Environment, *, changes: Mapping[str, str | None]
) -> Environment:
    """As `projects.actions.change_environment`. Another mode is given by whoever could remove the gates that stand for
    the old one, and only by an owner or administrator while something runs. Raises `EnvironmentInUse`."""
    changed = projects.change_environment(tx, log, actor, environment, changes=changes)
    if changed.mode != environment.mode:
        _refuse_in_use(tx, actor, environment)
        for gate in gates.gates_of(tx, environment):
            if gate.where.mode is not None:
                require(actor, "gate:write", gate_actions.place_of(tx, gate.where))
        gates.recheck_all(tx)
    return changed


def _refuse_in_use(tx: Transaction, actor: Actor, environment: Environment) -> None:
    if actor.admin:
        return
    present = store.list_placements(tx, environment_id=environment.id)
    if any(each.release_id or each.active_id for each in present) or gates.waits_present(tx, environment.id):
        raise EnvironmentInUse(
            f"Something runs in {environment.name} or waits for it: its mode decides which gates and policies hold.",
            next_step="Ask an owner or administrator, or create another environment with that mode.",
        )
