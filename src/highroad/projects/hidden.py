"""Which secrets must not show in what is said about a project's work: the run of a commit, a deployment, a command.

Everything that such a subject says goes through one mask, which the journal and the verbs that keep reasons ask for.
An environment's secrets are hidden where that environment is concerned and nowhere else: a mask answers the question
whether a guess is right, so whoever can write output must not meet the masks of secrets that are none of his business.
"""

from __future__ import annotations

from collections.abc import Iterable

from highroad.db.engine import Transaction
from highroad.kit.disguises import Mask, mask_of
from highroad.projects import store, variable_store
from highroad.projects.model import Environment, Service


def mask_at(tx: Transaction, service: Service, environment: Environment, also: Iterable[str] = ()) -> Mask:
    """Over the secrets in force for a service in an environment, and `also`: those that a deployment keeps."""
    return _mask({*_secrets(tx, service, environment.id), *also})


def mask_of_run(tx: Transaction, service: Service, branch: str) -> Mask:
    """Over the secrets that reach the service where a commit on `branch` is deployed."""
    places = [each.id for each in store.list_environments(tx, service.project_id) if each.deploys(branch)]
    return _mask({value for place in ("", *places) for value in _secrets(tx, service, place)})


def _mask(values: set[str]) -> Mask:
    return mask_of(tuple(sorted(values)))


def _secrets(tx: Transaction, service: Service, environment_id: str) -> set[str]:
    """Values of all scopes that reach the place, also of those that a narrower one hides: they served a moment ago."""
    reaching = variable_store.variables_in_force(tx, service.project_id, environment_id, service.id)
    return {each.value for each in reaching if each.kind == "secret"}
