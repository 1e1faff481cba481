"""Projects, environments and services over HTTP: anonymous, without permission, missing, works."""

from __future__ import annotations

import threading

import pytest

from tests.world import Api


@pytest.fixture
def shop(api: Api) -> Api:
    """The API with a project that has an environment and a service."""
    made = [
        api.member.post("/projects", json={"name": "shop"}),
        api.member.post("/projects/shop/environments", json={"name": "production", "branch": "main"}),
        api.member.post("/projects/shop/services", json={"name": "web"}),
    ]
    assert [answer.status_code for answer in made] == [201, 201, 201]
    return api


def test_a_project_is_created_and_read_with_what_it_has(shop: Api) -> None:
    found = shop.member.get("/projects/shop").json()
    assert [each["name"] for each in found["environments"]] == ["production"]
    assert found["services"][0]["git_url"] == "http://localhost:8080/git/shop/web.git"


def test_two_creations_of_one_name_at_once_are_one_201_and_one_409(api: Api) -> None:
    ready = threading.Barrier(2)
    statuses: list[int] = []

    def create(caller: str) -> None:
        client = api.member if caller == "member" else api.admin
        ready.wait()
        statuses.append(client.post("/projects", json={"name": "rush"}).status_code)

    threads = [threading.Thread(target=create, args=[caller]) for caller in ("member", "admin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409]


def test_a_name_that_is_no_dns_label_is_422_with_the_nearest_one(sqlite_api: Api) -> None:
    answer = sqlite_api.member.post("/projects", json={"name": "My Shop"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "not-a-label"
    assert answer.json()["next_step"] == "Use 'my-shop' instead."
    assert answer.json()["errors"] == [{"pointer": "/name", "detail": "must be a DNS label"}]


def test_projects_come_in_pages(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.member.post("/projects", json={"name": name})
    first = api.member.get("/projects", params={"page_size": 2}).json()
    second = api.member.get("/projects", params={"page_size": 2, "page_token": first["next_page_token"]}).json()
    assert [each["name"] for each in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next_page_token"] is None


def test_an_environment_keeps_what_a_change_leaves_out(shop: Api) -> None:
    path = "/projects/shop/environments/production"
    assert shop.member.patch(path, json={"mode": "staging"}).json()["branch"] == "main"
    assert shop.member.patch(path, json={"branch": None}).json()["branch"] is None
    assert shop.member.get(path).json()["mode"] == "staging"


def test_a_service_moves_to_another_directory_and_never_out_of_its_repository(shop: Api) -> None:
    path = "/projects/shop/services/web"
    assert shop.member.patch(path, json={"path": "apps/web/"}).json()["path"] == "apps/web"
    refused = shop.member.patch(path, json={"path": " /etc"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/path")


@pytest.mark.parametrize("path", ["/projects/none", "/projects/shop/environments/none", "/projects/shop/services/none"])
def test_what_is_missing_is_404_with_what_to_do(shop: Api, path: str) -> None:
    answer = shop.member.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"].startswith("no-such-")
    assert answer.json()["next_step"]


def test_a_name_with_a_nul_character_is_not_found_and_breaks_nothing(api: Api) -> None:
    assert api.member.get("/projects/a%00b").status_code in (404, 422)
    assert api.member.post("/projects", json={"name": "a\0b"}).status_code == 422
