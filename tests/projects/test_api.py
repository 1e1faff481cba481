from __future__ import annotations
from tests.world import Api
def test_a(api: Api) -> None:
    assert api.nobody.get("/projects").status_code == 401
    assert api.member.post("/projects", json={"name": "shop"}).status_code == 201
    assert api.admin.get("/projects/shop").json()["name"] == "shop"
def test_b(api: Api) -> None:
    assert api.admin.get("/projects/shop").status_code == 404
