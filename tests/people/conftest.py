"""Pages are looked at as in `tests/portal`: the same site, the same people."""

from __future__ import annotations

from tests.portal.conftest import ada, anyone, built_site, site

__all__ = ["ada", "anyone", "built_site", "site"]
