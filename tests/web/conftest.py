"""The portal over a database of the test's own, and people who look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.site import Browser, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    built = Site(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def ada(site: Site) -> Browser:
    """An administrator who is signed in."""
    return site.browser(site.user())


@pytest.fixture
def anyone(site: Site) -> Browser:
    """Somebody who is not signed in."""
    return site.browser()
