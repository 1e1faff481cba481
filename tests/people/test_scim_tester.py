"""The public SCIM tester against the application."""

from __future__ import annotations

import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from starlette.testclient import TestClient

from tests.world import SOURCE, Api

PROVISION = 'permit (principal, action == Action::"directory:write", resource);'


@pytest.mark.timeout(300)
def test_the_public_scim_tester_finds_nothing_wrong(sqlite_api: Api) -> None:
    made = sqlite_api.admin.post("/policy-tokens", json={"name": "directory", "policy": PROVISION}).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    client = TestClient(sqlite_api.app, base_url=f"{SOURCE}/scim/v2", headers=headers)
    results = check_server(SyncSCIMClient(client))
    wrong = [f"{each.title}: {each.reason}" for each in results if each.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert len(results) > 50
    assert wrong == [], "\n".join(wrong)
