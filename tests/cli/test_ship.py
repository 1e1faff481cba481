"""Changing what runs, watched to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad, git
from tests.client.canned import Canned, event

RUN = {"id": "run_1", "number": 7, "state": "running", "project": "shop", "service": "web"}
DEPLOYMENT: dict[str, Any] = {
    "id": "dep_1",
    "number": 9,
    "kind": "rollback",
    "state": "queued",
    "environment": "production",
}
LIVE = {**DEPLOYMENT, "state": "succeeded", "url": "http://web.production.shop.localhost:8080"}


@pytest.fixture
def changing(signed_in: Canned) -> Canned:
    """A deployment that prints one line and succeeds."""
    signed_in.answer("POST", f"{PLACEMENT_PATH}/deployments", DEPLOYMENT, 202)
    line = event("line", {"task": "deploy production", "text": "web.1 is healthy"}, "1")
    signed_in.stream("/deployments/dep_1/log", line, event("end", LIVE, "2"))
    return signed_in


def sent(canned: Canned) -> Any:
    return canned.asked("POST", f"{PLACEMENT_PATH}/deployments")[0].body


def test_deploy_streams_the_run_and_ends_with_the_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    done = {**RUN, "state": "succeeded", "deployments": ["dep_1"]}
    signed_in.stream("/runs/run_1/log", event("line", {"task": "build", "text": "Installing"}, "1"), event("end", done))
    signed_in.answer("GET", "/deployments/dep_1", {**LIVE, "kind": "deploy"})
    ran = highroad("deploy", "--branch", "main", *SERVICE)
    assert ran.code == 0
    assert "build │ Installing" in ran.out
    assert ran.out.splitlines()[-1] == f"Live at {LIVE['url']}"
    assert signed_in.asked("POST", f"{SERVICE_PATH}/runs")[0].body == {"branch": "main"}


def test_a_failed_run_says_why_and_what_to_do_and_ends_with_1(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    failed = {**RUN, "state": "failed", "reason": "2 tests failed.", "next_step": "highroad tests run_1"}
    signed_in.stream("/runs/run_1/log", event("end", failed))
    ran = highroad("deploy", *SERVICE)
    assert ran.code == 1
    assert ran.err.splitlines() == ["Error: Run 7 failed", "Why:   2 tests failed.", "Next:  highroad tests run_1"]


def test_a_failed_run_as_json_is_one_document_and_one_problem(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    failed = {**RUN, "state": "failed", "reason": "2 tests failed."}
    signed_in.stream("/runs/run_1/log", event("line", {"text": "x"}, "1"), event("end", failed))
    ran = highroad("deploy", "--json", *SERVICE)
    assert (ran.code, ran.document["state"], ran.problem["code"]) == (1, "failed", "operation-failed")


FAILED = {**DEPLOYMENT, "kind": "deploy", "state": "failed", "reason": "web.1 ended.", "next_step": "highroad logs"}


def deploying_badly(canned: Canned) -> dict[str, Any]:
    canned.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    canned.answer("GET", "/runs/run_1", RUN)
    deployed = [{"id": "dep_1", "state": "failed", "reason": FAILED["reason"], "next_step": FAILED["next_step"]}]
    done = {**RUN, "state": "succeeded", "deployments": ["dep_1"], "deployed": deployed}
    said = event("line", {"task": "deploy production", "text": " !     Deployment 9 failed: web.1 ended."}, "1")
    canned.stream("/runs/run_1/log", said, event("end", done))
    canned.answer("GET", "/deployments/dep_1", FAILED)
    return done


@pytest.mark.parametrize("arguments", [("deploy", "--branch", "main"), ("show", "run_1", "--follow")])
def test_a_run_whose_deployment_failed_has_failed_for_who_waits(
    signed_in: Canned, highroad: Highroad, arguments: tuple[str, ...]
) -> None:
    deploying_badly(signed_in)
    ran = highroad(*arguments, *SERVICE)
    assert ran.code == 1
    said = ["Error: Deployment 9 to production failed", "Why:   web.1 ended.", "Next:  highroad logs"]
    assert ran.err.splitlines() == said
    assert "web.1 ended." not in ran.out, "said once"
    assert "Live at" not in ran.out


def test_a_failed_deployment_as_json_is_the_run_and_a_problem(signed_in: Canned, highroad: Highroad) -> None:
    done = deploying_badly(signed_in)
    ran = highroad("deploy", "--json", *SERVICE)
    assert (ran.code, ran.document) == (1, {**done, "urls": []})
    assert ran.problem["code"] == "operation-failed"
    assert "status" not in ran.problem


def test_a_superseded_run_is_not_a_success(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    signed_in.stream("/runs/run_1/log", event("end", {**RUN, "state": "superseded", "reason": "By run 8."}))
    assert highroad("deploy", *SERVICE).code == 1


def test_a_run_is_watched_over_a_restart_of_the_control_plane(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    signed_in.stream("/runs/run_1/log", event("line", {"task": "build", "text": "one"}, "1"))
    signed_in.answer("GET", "/runs/run_1/log", "away", 502)
    done = event("end", {**RUN, "state": "succeeded"}, "3")
    signed_in.stream("/runs/run_1/log", event("line", {"task": "build", "text": "two"}, "2"), done)
    ran = highroad("deploy", *SERVICE)
    assert [line for line in ran.out.splitlines() if "│" in line] == ["build │ one", "build │ two"]
    assert "Taking it up again" in ran.err


def test_detached_means_not_watched(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    assert "highroad show run_1 --follow" in highroad("deploy", "-d", *SERVICE).out


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("rollback",), {"kind": "rollback"}),
        (("rollback", "12"), {"kind": "rollback", "release": 12}),
        (("rollback", "v12"), {"kind": "rollback", "release": 12}),
        (("rollback", "rel_x"), {"kind": "rollback", "release": "rel_x"}),
        (("scale", "web=2", "worker=0"), {"kind": "scale", "counts": {"web": 2, "worker": 0}}),
        (("restart",), {"kind": "restart"}),
        (("stop",), {"kind": "stop"}),
        (("start",), {"kind": "start"}),
    ],
)
def test_every_verb_is_a_deployment(
    changing: Canned, highroad: Highroad, arguments: tuple[str, ...], body: object
) -> None:
    ran = highroad(*arguments, *SERVICE)
    assert (ran.code, sent(changing)) == (0, body)
    assert "deploy production │ web.1 is healthy" in ran.out


def test_a_change_as_json_is_the_final_deployment_alone(changing: Canned, highroad: Highroad) -> None:
    assert highroad("restart", "--json", *SERVICE).document == LIVE


@pytest.mark.parametrize("counts", ["web", "web=", "web=-1", "=2", "web=two"])
def test_a_scale_that_is_no_count_is_wrong_usage(signed_in: Canned, highroad: Highroad, counts: str) -> None:
    assert highroad("scale", counts, *SERVICE).code == 2
    assert signed_in.requests == []


def test_scale_alone_shows_the_counts(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", PLACEMENT_PATH, {"processes": [{"name": "web", "wanted": 2, "running": 1, "command": "x"}]})
    assert highroad("scale", *SERVICE).out.splitlines()[1].split() == ["web", "2", "1", "x"]


def test_releases_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    release = {"number": 3, "commit": "abcdef1234567", "message": "Fix\n\nlong", "current_in": ["production"]}
    signed_in.answer("GET", f"{SERVICE_PATH}/releases", {"items": [release]})
    assert "3        abcdef1234  production" in highroad("releases", *SERVICE).out
    assert highroad("releases", "--json", *SERVICE).document == {"items": [release]}


@pytest.fixture
def connected(signed_in: Canned, repository: Path) -> Canned:
    """The working directory is the repository of shop/web."""
    for name, value in (("url", signed_in.url), ("project", "shop"), ("service", "web")):
        git("config", f"highroad.{name}", value, directory=repository)
    signed_in.answer("GET", "/system", {"toolchains": {}})
    signed_in.answer("GET", SERVICE_PATH, {"name": "web", "path": ""})
    return signed_in


def test_before_init_a_plan_says_what_this_would_be(signed_in: Canned, highroad: Highroad, repository: Path) -> None:
    signed_in.answer("GET", "/system", {"toolchains": {}})
    ran = highroad("plan")
    assert ran.code == 0, ran.err
    assert "static" in ran.out
    assert "Next: highroad init" in ran.out
    assert highroad("plan", "--json").document["connected"] is False


def test_a_plan_says_what_was_detected_and_what_would_change(connected: Canned, highroad: Highroad) -> None:
    change = {"kind": "start", "subject": "web.1", "detail": "new"}
    connected.answer(
        "POST", f"{PLACEMENT_PATH}/plan", {"summary": "1 to start", "changes": [change], "warnings": ["W"]}
    )
    ran = highroad("plan")
    assert ran.code == 0
    assert "index.html" in ran.out
    assert "+ start      web.1  new" in ran.out
    assert connected.asked("POST", f"{PLACEMENT_PATH}/plan")[0].body["workload"]["build"]["language"] == "static"


def test_a_plan_with_problems_fails(connected: Canned, highroad: Highroad) -> None:
    problem = {"detail": "No container target.", "next_step": "Add one."}
    connected.answer(
        "POST", f"{PLACEMENT_PATH}/plan", {"summary": "Not possible", "changes": [], "problems": [problem]}
    )
    ran = highroad("plan", "--json")
    assert (ran.code, ran.document["summary"], ran.problem["next_step"]) == (1, "Not possible", "Add one.")


def test_ctrl_c_detaches_and_says_how_to_come_back(signed_in: Canned) -> None:
    signed_in.answer("POST", f"{SERVICE_PATH}/runs", RUN, 202)
    signed_in.stream("/runs/run_1/log", event("line", {"task": "build", "text": "slow"}, "1"), hold=True)
    command = [sys.executable, "-m", "highroad.cli.main", "deploy", *SERVICE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "slow" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Run 7 goes on without you" in err
    assert "highroad show run_1 --follow" in err
    assert "Traceback" not in err
