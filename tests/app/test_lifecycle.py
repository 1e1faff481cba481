"""What `up` prepares; that a whole installation comes up and goes down is tested in `tests/end_to_end`."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from highroad.access import store
from highroad.access.secrets import digest
from highroad.access.user_actions import NoSuchUser
from highroad.app import lifecycle
from highroad.db.engine import Database
from highroad.drivers.process.supervisor import Supervisor
from highroad.sandbox import cgroups
from highroad.settings import Settings
from tests.deployments.stage import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def token(settings: Settings) -> str:
    return str(json.loads((settings.run / "operator.json").read_text())["token"])


def test_the_operator_is_made_once_and_keeps_their_token(settings: Settings) -> None:
    links = {lifecycle.prepare_operator(settings)}
    first = token(settings)
    links.add(lifecycle.prepare_operator(settings))
    assert token(settings) == first
    assert len(links) == 2, "each sign-in link works once"


def test_nobody_else_can_read_the_operators_token(settings: Settings) -> None:
    lifecycle.prepare_operator(settings)
    assert stat.S_IMODE((settings.run / "operator.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["", "{", "[]", '{"token": "hr_unknown"}'])
def test_a_broken_operator_file_is_made_anew(settings: Settings, content: str) -> None:
    (settings.run / "operator.json").write_text(content)
    lifecycle.prepare_operator(settings)
    assert token(settings) != "hr_unknown"


def test_a_revoked_operator_token_is_replaced(settings: Settings) -> None:
    lifecycle.prepare_operator(settings)
    first = token(settings)
    database = Database(settings.database_url)
    with database.begin() as tx:
        found = store.token_by_digest(tx, digest(first))
        assert found is not None
        store.revoke_tokens_of(tx, found[1].id)
    database.close()
    lifecycle.prepare_operator(settings)
    assert token(settings) != first


def test_a_link_for_an_unknown_user_is_refused(settings: Settings) -> None:
    lifecycle.prepare_operator(settings)
    assert "/sign-in/link#" in lifecycle.sign_in_link(settings, lifecycle.OPERATOR)
    with pytest.raises(NoSuchUser):
        lifecycle.sign_in_link(settings, "nobody@example.com")


def test_programs_get_what_they_need_of_the_environment_and_no_more(settings: Settings) -> None:
    environ = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "s3cret", "PIP_INDEX_URL": "https://index", "HOME": "/root"}
    programs = {each.name: each for each in lifecycle.programs(settings, environ)}
    assert set(programs) == {"collector", "router", "control-plane"}
    assert "s3cret" not in repr(programs)
    assert programs["control-plane"].env["PIP_INDEX_URL"] == "https://index"
    assert "PIP_INDEX_URL" not in programs["router"].env


def test_going_down_leaves_no_cgroups(settings: Settings) -> None:
    found = cgroups.find(cgroups.unit_of(settings.data))
    if not found.parents:
        pytest.skip("this machine gives us no cgroups")
    for parent in dict.fromkeys(found.parents.values()):
        (Path(parent) / "app.ins_1").mkdir(parents=True)
    lifecycle.down(settings)
    assert not any(Path(parent).exists() for parent in found.parents.values())


def test_a_busy_port_is_left_to_whoever_has_it(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        wanted = Settings(settings.data, port=busy.getsockname()[1])
        moved, was = lifecycle._with_free_port(wanted, Supervisor(wanted))
    assert was == wanted.port
    assert moved.port != wanted.port
