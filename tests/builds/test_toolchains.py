from __future__ import annotations

import sys
from pathlib import Path

import pytest

from highroad.builds.failures import ToolchainMissing, WrongRuntime
from highroad.builds.toolchains import Tool, Toolchains, discover, find, satisfies


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ((3, 11, 7), "3.11", True),
        ((3, 11, 7), "3.1", False),
        ((3, 11, 7), "3.11.*", True),
        ((3, 11, 7), ">=3.10,<3.13", True),
        ((3, 13, 0), ">=3.10,<3.13", False),
        ((3, 11, 7), "~=3.10", True),
        ((3, 11, 7), "!=3.11.7", False),
        ((20, 20, 2), ">=18 <21", True),
        ((20, 20, 2), "^18 || ^20", True),
        ((20, 20, 2), "^18.2", False),
        ((20, 20, 2), "20.x", True),
        ((20, 20, 2), "*", True),
        ((20, 20, 2), "lts/iron", False),
    ],
)
def test_versions_fit_specifiers(version: tuple[int, ...], wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_the_interpreter_that_runs_highroad_is_the_default() -> None:
    tools = find()
    assert tools.default_python.numbers == sys.version_info[:3]
    assert tools.versions()["python"] == tools.default_python.version
    assert tools.uv.version in tools.versions()["uv"]


def test_looking_again_costs_nothing() -> None:
    assert find() is find()


def test_shims_and_broken_tools_count_as_absent(tmp_path: Path) -> None:
    for name, text in (("python3.12", "#!/bin/sh\nexit 127\n"), ("node", "#!/bin/sh\nexit 1\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    tools = discover({"PATH": str(tmp_path)}, tmp_path)
    assert [python.path for python in tools.pythons] == [tools.default_python.path]
    assert dict(tools.tools) == {}


def test_a_missing_toolchain_is_named_with_what_to_do() -> None:
    python = Tool("python", "3.11.7", "/p")
    with pytest.raises(ToolchainMissing, match="A Go service needs go") as caught:
        Toolchains((python,), python, Tool("uv", "0.1", "/u")).require("go", for_what="A Go service")
    assert "install go" in caught.value.next_step


def test_the_newest_fitting_python_is_taken_when_the_default_does_not_fit() -> None:
    old, default, new = (Tool("python", version, f"/{version}") for version in ("3.9.1", "3.11.7", "3.13.0"))
    tools = Toolchains((new, default, old), default, Tool("uv", "0.1", "/u"))
    assert tools.python(None) is default
    assert tools.python(">=3.10") is default
    assert tools.python(">=3.12") is new
    with pytest.raises(WrongRuntime, match=r"this machine has 3\.13\.0, 3\.11\.7, 3\.9\.1"):
        tools.python("3.14")
