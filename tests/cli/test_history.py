"""Runs and deployments of the past."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad
from tests.client.canned import Canned, event

RUN = {
    "id": "run_1",
    "number": 7,
    "state": "failed",
    "branch": "main",
    "commit": "abcdef1234567",
    "message": "Change",
    "reason": "2 tests failed.",
    "next_step": "highroad tests",
    "tasks": [{"name": "build", "state": "succeeded", "seconds": 1.5}],
}
DEPLOYMENT = {"id": "dep_1", "number": 9, "kind": "deploy", "state": "succeeded", "environment": "production"}


@pytest.fixture
def installation(signed_in: Canned) -> Canned:
    signed_in.answer("GET", f"{SERVICE_PATH}/runs", {"items": [RUN]})
    signed_in.answer("GET", "/runs/run_1", RUN)
    signed_in.answer("GET", "/deployments/dep_1", DEPLOYMENT)
    return signed_in


def test_runs_are_listed(installation: Canned, highroad: Highroad) -> None:
    assert highroad("runs", *SERVICE).out.splitlines()[1].split()[:5] == ["7", "failed", "-", "main", "abcdef1234"]


@pytest.mark.parametrize(
    ("states", "shown"), [(("succeeded",), "yes"), (("succeeded", "failed"), "failed"), (("running",), "running")]
)
def test_a_run_that_is_not_deployed_does_not_look_like_one_that_is(
    installation: Canned, highroad: Highroad, states: tuple[str, ...], shown: str
) -> None:
    deployed = [{"id": "dep_1", "number": 9, "environment": "production", "state": each} for each in states]
    signed = {"items": [{**RUN, "state": "succeeded", "deployed": deployed}]}
    installation._replies["GET", f"{SERVICE_PATH}/runs"].clear()
    installation.answer("GET", f"{SERVICE_PATH}/runs", signed)
    assert highroad("runs", *SERVICE).out.splitlines()[1].split()[2] == shown


def test_a_run_shows_what_became_of_its_deployments(installation: Canned, highroad: Highroad) -> None:
    deployed = {"id": "dep_1", "number": 9, "kind": "deploy", "environment": "production", "state": "failed"}
    why = {"reason": "web.1 ended.", "next_step": "highroad logs"}
    installation.answer("GET", "/runs/run_2", {**RUN, "id": "run_2", "deployed": [{**deployed, **why}]})
    out = highroad("show", "run_2").out
    assert "deploy dep_1 to production: failed" in out
    assert "web.1 ended." in out
    assert "highroad logs" in out


@pytest.mark.parametrize("named", ["d9", "d#9", "D9"])
def test_a_deployment_is_found_by_its_number(installation: Canned, highroad: Highroad, named: str) -> None:
    installation.answer("GET", f"{PLACEMENT_PATH}/deployments", {"items": [{**DEPLOYMENT, "id": "dep_1"}]})
    assert "Deploy 9 of production: succeeded" in highroad("show", named, *SERVICE).out
    installation.answer("POST", "/deployments/dep_1/cancel", {"id": "dep_1"}, 202)
    assert highroad("cancel", named, *SERVICE).code == 0
    assert highroad("show", "d8", *SERVICE).code == 4


def test_deployments_are_listed_by_the_name_that_show_takes(installation: Canned, highroad: Highroad) -> None:
    installation.answer("GET", f"{PLACEMENT_PATH}/deployments", {"items": [{**DEPLOYMENT, "actor": "Ann <a@b.c>"}]})
    row = highroad("deployments", *SERVICE).out.splitlines()[1].split()
    assert (row[:3], row[-2]) == (["d9", "deploy", "succeeded"], "Ann")


@pytest.mark.parametrize("identity", [(), ("7",), ("#7",), ("run_1",)])
def test_a_run_is_found_by_number_by_id_or_as_the_newest(
    installation: Canned, highroad: Highroad, identity: tuple[str, ...]
) -> None:
    out = highroad("show", *identity, *SERVICE).out
    assert "2 tests failed." in out
    assert "build" in out
    assert highroad("show", *identity, "--json", *SERVICE).document == RUN


def test_a_deployment_is_found_by_its_id(installation: Canned, highroad: Highroad) -> None:
    assert "Deploy 9 of production: succeeded" in highroad("show", "dep_1").out


def test_a_number_that_no_run_has_is_not_found(installation: Canned, highroad: Highroad) -> None:
    assert highroad("show", "8", *SERVICE).code == 4


def test_the_log_comes_on_demand(installation: Canned, highroad: Highroad) -> None:
    installation.answer("GET", "/runs/run_1/log", {"items": [{"task": "build", "text": "hello"}], "cursor": "c"})
    assert "build │ hello" in highroad("show", "run_1", "--log").out
    assert highroad("show", "run_1", "--log", "--json").document["log"][0]["text"] == "hello"


def test_following_ends_like_the_run(installation: Canned, highroad: Highroad) -> None:
    installation.stream("/runs/run_1/log", event("end", RUN))
    assert highroad("show", "run_1", "--follow").code == 1


def test_failed_tests_come_first_and_end_with_1(installation: Canned, highroad: Highroad) -> None:
    passed = {"suite": "s", "name": "fine", "seconds": 0.1, "outcome": "passed", "message": ""}
    failed = {"suite": "s", "name": "broken", "seconds": 0.2, "outcome": "failed", "message": "1 != 2"}
    installation.answer("GET", "/runs/run_1/tests", {"items": [passed, failed], "totals": {"passed": 1, "failed": 1}})
    ran = highroad("tests", "run_1")
    assert ran.code == 1
    assert ran.out.index("broken") < ran.out.index("fine")
    assert "1 != 2" in ran.out
    assert "1 passed, 1 failed" in ran.out


@pytest.mark.parametrize(("identity", "collection"), [("run_1", "runs"), ("dep_1", "deployments")])
def test_cancelling_knows_what_an_id_is(
    installation: Canned, highroad: Highroad, identity: str, collection: str
) -> None:
    installation.answer("POST", f"/{collection}/{identity}/cancel", {"id": identity, "state": "cancelled"}, 202)
    assert highroad("cancel", identity, "--json").document["state"] == "cancelled"


def test_an_unknown_id_is_not_found(installation: Canned, highroad: Highroad) -> None:
    assert highroad("cancel", "xyz_1").code == 4
