"""Ports of instances and the variables they get."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from highroad.deployments.instances import NoFreePort, Ports
from tests.deployments.stage import WEB, Stage


@pytest.fixture
def busy() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_a_port_that_somebody_listens_on_is_not_handed_out(busy: socket.socket) -> None:
    port = busy.getsockname()[1]
    with busy, pytest.raises(NoFreePort) as caught:
        Ports(port, port).take(set())
    assert "HIGHROAD_LAST_APP_PORT" in caught.value.next_step


def test_ports_go_round_the_range_before_one_is_used_again(busy: socket.socket) -> None:
    first = busy.getsockname()[1]
    busy.close()
    ports, taken = Ports(first, first + 20), {first + 1}
    given = [ports.take(taken) for _ in range(3)]
    assert len(set(given)) == 3
    assert first + 1 not in given
    assert ports.take(taken - set(given)) not in given


def test_instances_of_two_versions_have_ports_of_their_own(stage: Stage) -> None:
    stage.do(release=stage.release())
    old = stage.serving()[0].port
    stage.do(release=stage.release())
    assert stage.serving()[0].port != old


def test_configuration_hides_the_workloads_variables_and_highroads_own_stand_above(stage: Stage) -> None:
    stage.configure(COLOUR="blue")
    process = replace(WEB, variables={"COLOUR": "green", "SIZE": "small", "HIGHROAD_SERVICE": "forged"})
    stage.do(release=stage.release(process, variables={"COLOUR": "red", "SIZE": "large", "SHAPE": "round"}))
    env = stage.serving()[0].spec.env
    assert (env["COLOUR"], env["SIZE"], env["SHAPE"]) == ("blue", "small", "round")
    assert (env["HIGHROAD_SERVICE"], env["HIGHROAD_RELEASE"]) == ("web", "1")


def test_limits_are_the_installations_where_the_workload_has_none(stage: Stage) -> None:
    stage.do(release=stage.release())
    limits, settings = stage.serving()[0].spec.limits, stage.platform.settings
    assert (limits.memory, limits.disk) == (settings.instance_memory, settings.instance_disk)
