"""What the probe says of this machine is what it does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from highroad.sandbox import launch
from highroad.sandbox import level as levels
from highroad.sandbox.errors import NoIsolation
from highroad.sandbox.model import Level
from highroad.settings import Settings


def test_it_names_what_protects_apps_strongest_first(level: Level) -> None:
    assert level.isolated
    assert level.features[0].startswith("mount")
    assert level.root == (os.geteuid() == 0)


def test_every_controller_is_either_a_feature_or_a_warning(level: Level) -> None:
    said = " ".join((*level.features, *level.warnings)).lower()
    assert all(name in said for name in ("memory", "cpu"))


def test_a_data_directory_that_apps_would_see_is_refused() -> None:
    with pytest.raises(NoIsolation, match="which every app sees"):
        levels.probe(Settings(Path("/usr/local/highroad")))


def test_without_bubblewrap_it_refuses_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # An empty PATH is how a machine without coreutils, util-linux and bubblewrap looks to the probe.
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoIsolation, match="bubblewrap does not work"):
        levels.probe(Settings(tmp_path / "data"))
    level = levels.probe(Settings(tmp_path / "data", allow_unisolated=True))
    assert not level.isolated
    assert any("read each other" in warning for warning in level.warnings)


def test_it_says_whether_apps_are_kept_to_their_ports(level: Level) -> None:
    features, warnings = " ".join(level.features), " ".join(level.warnings)
    assert level.confines_ports == (launch.landlock_version() >= launch.PORTS_VERSION)
    assert ("their own port" in features) == level.confines_ports
    assert ("every port of this machine" in warnings) != level.confines_ports


def test_where_the_sandbox_does_not_start_with_confined_ports_they_are_not(tmp_path: Path) -> None:
    assert not levels._confines_ports(["/no/such/program"], tmp_path)
    assert not any(tmp_path.iterdir())
