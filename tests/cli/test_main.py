"""The executable itself: instant help, lazily loaded commands, and nothing heavy before it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

import highroad as package
from highroad.cli import table
from highroad.cli.root import root
from tests.cli.conftest import Highroad
from tests.client.canned import Canned

RUN = (sys.executable, "-m", "highroad.cli.main")


def imported_by(*arguments: str) -> set[str]:
    program = (
        f"import sys; from highroad.cli.main import main; main({list(arguments)!r}); print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines())


def test_without_arguments_the_way_to_a_live_service_is_shown(highroad: Highroad) -> None:
    ran = highroad()
    assert ran.code == 0
    assert "git push highroad main" in ran.out


@pytest.mark.parametrize("asked", ["--help", "-h", "help"])
def test_the_help_names_every_command_and_exit_code(highroad: Highroad, asked: str) -> None:
    ran = highroad(asked)
    names = [entry.name for _, entries in table.GROUPS for entry in entries]
    assert all(f"  {name} " in ran.out for name in names)
    assert "6 Highroad cannot be reached" in ran.out


def test_the_version_is_printed(highroad: Highroad) -> None:
    assert highroad("--version").out == f"highroad {package.__version__}\n"


def test_the_help_loads_neither_click_nor_an_http_client() -> None:
    assert not imported_by("--help") & {"click", "httpx2", "dataclasses"}


def test_the_git_credential_helper_loads_neither_click_nor_an_http_client() -> None:
    assert not imported_by("git-credential", "nothing") & {"click", "httpx2", "ssl"}


def test_the_help_of_a_command_loads_no_http_client() -> None:
    modules = imported_by("status", "--help")
    assert "click" in modules
    assert not modules & {"httpx2", "pydantic", "yaml"}


@pytest.mark.parametrize("name", [name for name, entry in table.ENTRIES.items() if entry.module != "server"])
def test_every_command_loads_helps_and_takes_json(name: str) -> None:
    context = click.Context(root, info_name="highroad")
    command = root.get_command(context, name)
    assert command is not None
    for each in commands_of(command):
        assert any("--json" in parameter.opts for parameter in each.params), each.name
        assert each.get_help(click.Context(each, info_name=each.name, parent=context))
        assert each.help


def commands_of(command: click.Command) -> Iterator[click.Command]:
    """The command, or all in it, whatever the depth."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            yield from commands_of(each)
    else:
        yield command


def test_a_closed_pipe_is_quiet(signed_in: Canned) -> None:
    signed_in.answer("GET", "/events", {"items": [{"type": "x", "subject": "y" * 500}] * 1000})
    program = f"{sys.executable} -m highroad.cli.main events --all | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.endswith("141\n")


def test_a_mistyped_command_gets_the_nearest_one(highroad: Highroad) -> None:
    ran = highroad("statsu")
    assert ran.code == 2
    assert "Did you mean status?" in ran.err
