"""Deleting from the pages of a service and a project."""

from __future__ import annotations

import pytest

from highroad.projects import store as projects
from tests.portal.site import Browser, Site

SERVICE, PROJECT, ENVIRONMENT = (
    "/projects/shop/services/web",
    "/projects/shop",
    "/projects/shop/environments/production",
)


def test_a_service_is_deleted_only_when_its_name_is_typed(site: Site, ada: Browser) -> None:
    service = site.live()[0]
    refused = ada.post(f"{SERVICE}/delete", confirm="wep")
    assert "The name typed is not" in refused.text
    ada.post(f"{SERVICE}/delete", confirm="web")
    with site.context.db.read() as tx:
        assert projects.list_services(tx, service.project_id) == []
    assert ada.get(SERVICE).status == 404


@pytest.mark.parametrize(("path", "name"), [(PROJECT, "shop"), (ENVIRONMENT, "production")])
def test_a_project_and_an_environment_are_deleted_alike(site: Site, ada: Browser, path: str, name: str) -> None:
    service = site.live()[0]
    assert "Nothing was deleted" in ada.post(f"{path}/delete", confirm="no").text
    ada.post(f"{path}/delete", confirm=name)
    with site.context.db.read() as tx:
        assert projects.marked_deleted(tx) != []
        found = projects.environment(tx, service.project_id, "production")
    assert found is None
