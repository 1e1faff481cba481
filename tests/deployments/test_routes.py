"""The table of routes, as the database has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from highroad.errors import Permanent, Temporary
from highroad.workload.model import Build, Workload
from tests.deployments.stage import HOST, WEB, WORKER, Stage


def test_a_host_leads_to_all_serving_instances_of_the_web_process(stage: Stage) -> None:
    stage.do(release=stage.release(replace(WEB, count=2), WORKER))
    ports = [each.upstream for each in stage.serving() if each.process == "web"]
    assert sorted(stage.router.route(HOST).upstreams) == sorted(ports)


def test_before_the_first_deployment_the_host_says_how_to_make_one(stage: Stage) -> None:
    stage.ask(release=stage.release())
    stage.platform.deployer.apply_routes()
    assert "git push highroad" in stage.router.route(HOST).message


def test_a_static_site_is_served_from_its_directory(stage: Stage) -> None:
    stage.do(release=stage.release_of(Workload(processes=(), build=Build(publish="."))))
    assert stage.router.route(HOST).directory == "/site"
    stage.do("stop")
    assert stage.router.route(HOST).directory is None


def test_a_host_that_nobody_has_leads_nowhere(stage: Stage) -> None:
    stage.do(release=stage.release())
    with pytest.raises(Permanent, match="No route"):
        stage.router.route("nobody.production.shop.localhost")


def test_routes_that_the_router_did_not_take_are_applied_later(stage: Stage) -> None:
    stage.do(release=stage.release())
    stage.router.down = True
    with pytest.raises(Temporary):
        stage.platform.deployer.apply_routes()
    stage.router.down = False
    count = len(stage.router.applied)
    stage.platform.deployer.sweep()
    assert len(stage.router.applied) == count + 1
    stage.platform.deployer.sweep()
    assert len(stage.router.applied) == count + 1


def test_a_host_whose_first_deployment_failed_says_so(stage: Stage) -> None:
    stage.script("broken", crashes="exited with code 1")
    assert stage.do(release=stage.release(replace(WEB, command="broken"))).state == "failed"
    stage.platform.deployer.sweep()
    assert "failed" in stage.router.route(HOST).message
