"""A real builder in the real sandbox; by default with wheels made on the spot instead of a registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.builds.build import Builder
from highroad.sandbox.level import probe
from highroad.sandbox.model import Level
from highroad.settings import Settings
from tests.builds.yard import Yard

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")


@pytest.fixture(scope="session")
def level(tmp_path_factory: pytest.TempPathFactory) -> Level:
    settings = Settings(tmp_path_factory.mktemp("level"))
    settings.make_directories()
    return probe(settings)


@pytest.fixture
def yard(tmp_path: Path, level: Level) -> Iterator[Yard]:
    """Without a registry: what is not among its wheels does not exist."""
    settings = Settings(tmp_path / "data", build_seconds=100.0)
    settings.make_directories()
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    environ = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(wheels)}
    made = Yard(Builder.from_settings(settings, level, environ), settings.work, wheels)
    yield made
    assert made.leftovers() == []


@pytest.fixture
def online(yard: Yard) -> Yard:
    """With the registries that this machine is configured for."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name in _CERTIFICATES or name.startswith(("PIP_", "UV_", "NPM_CONFIG_"))
    }
    yard.builder = replace(yard.builder, environ=environ)
    return yard
