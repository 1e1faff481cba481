"""What becomes of pushed refs, and of pushes that were accepted and never recorded."""

from __future__ import annotations

from highroad.access.model import SYSTEM
from highroad.pipelines import store
from highroad.sources.protocol import RefUpdate
from tests.pipelines.yard import PROCFILE, Yard, git


def heads(yard: Yard) -> dict[str, str]:
    with yard.stage.platform.context.db.read() as tx:
        return store.recorded_heads(tx, yard.stage.service.id)


def reconcile(yard: Yard) -> list[str]:
    return yard.stage.platform.gate.reconcile(yard.stage.service, SYSTEM)


def push_unrecorded(yard: Yard, *refspecs: str) -> None:
    """As when Highroad died between git's yes and the record."""
    repository = yard.stage.platform.repository_of(yard.stage.service.id)
    git(yard.clone, "push", "--quiet", "--force", str(repository.path), *refspecs)


def test_an_unrecorded_push_is_found_and_run(yard: Yard) -> None:
    yard.push(PROCFILE)
    yard.work()
    git(yard.clone, "commit", "--quiet", "--allow-empty", "--message", "unseen")
    push_unrecorded(yard, "HEAD:refs/heads/main")
    found = reconcile(yard)
    yard.work()
    assert len(found) == 1
    assert [run.message for run in yard.runs("succeeded")] == ["Change", "unseen"]
    assert reconcile(yard) == []


def test_an_unrecorded_deletion_is_found(yard: Yard) -> None:
    yard.push(PROCFILE)
    yard.push(PROCFILE, branch="other")
    push_unrecorded(yard, ":refs/heads/other")
    assert reconcile(yard) == []
    assert set(heads(yard)) == {"main"}


def test_a_service_without_a_repository_has_nothing_to_reconcile(yard: Yard) -> None:
    assert reconcile(yard) == []


def test_a_tag_is_stored_and_a_deleted_branch_forgotten(yard: Yard) -> None:
    run = yard.push(PROCFILE)
    service = yard.stage.service.id
    lines, runs = yard.stage.platform.gate.record(service, SYSTEM, [RefUpdate("refs/tags/v1", None, run.commit)])
    assert (len(lines), runs) == (1, [])
    lines, runs = yard.stage.platform.gate.record(service, SYSTEM, [RefUpdate("refs/heads/main", run.commit, None)])
    assert lines == ["Branch main is deleted. What runs keeps running."]
    assert heads(yard) == {}


def test_a_push_to_a_service_that_is_gone_says_so(yard: Yard) -> None:
    lines, runs = yard.stage.platform.gate.record("svc_gone", SYSTEM, [])
    assert "was deleted" in lines[0]
    assert runs == []
