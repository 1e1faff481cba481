"""The portal over a database of the test's own, and people who look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.portal.site import Browser, Site


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    built = Site(tmp_path_factory.mktemp("portal") / "data")
    yield built
    built.close()


@pytest.fixture
def site(built_site: Site) -> Site:
    """An installation in which nothing has happened yet."""
    built_site.reset()
    return built_site


@pytest.fixture
def ada(site: Site) -> Browser:
    """An administrator who is signed in."""
    return site.browser(site.user())


@pytest.fixture
def anyone(site: Site) -> Browser:
    """Somebody who is not signed in."""
    return site.browser()
