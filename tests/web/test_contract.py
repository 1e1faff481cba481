"""What holds for every operation of the API, read from its own description: who may call it and how it is documented.

An operation that somebody adds is covered from its first commit; what is open to everybody is listed here by name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from starlette.testclient import TestClient

from highroad.access.policy.actions import ACTIONS
from highroad.app.composition import openapi_document
from highroad.web.streams import MEDIA_TYPE
from tests.world import SOURCE, Api

OPEN = {
    "GET /system",
    "GET /health",
    "POST /sign-in",
    "POST /logins",
    "POST /logins/{id}/token",
    "POST /token-exchange",
    "POST /tokens/leaked",
}
FOR_EVERY_TOKEN = {"GET /me", "GET /tokens", "GET /sessions", "GET /me/second-factor"} | {
    "GET /access/can-i",
    "GET /access/presets",
    "GET /actions",
    "GET /roles",
    "GET /roles/{role}",
    "POST /access/evaluation",
}
"""What a token of any scope may ask: about itself and its user, and what roles mean."""
PLAN = "POST /projects/{project}/services/{service}/environments/{environment}/plan"
READING = {
    PLAN,
    "POST /access/evaluation",
    "POST /policies/check",
    "POST /secrets/{id}/expose",
    "POST /secrets/{id}/reveal",
}
"""What changes nothing although it is a POST."""
PRESENT = {"project": "shop", "service": "web", "environment": "production", "role": "viewer", "policy": "calm"}
EXAMPLES: dict[str, Any] = {
    "action": "see",
    "actions": ["log:read"],
    "command": "true",
    "days": 30,
    "email": "eve@example.com",
    "host": "shop.example.com",
    "name": "some-name",
}


MADE_UP = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    description: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method != "GET" and self.name not in READING

    def call(self, client: TestClient, document: dict[str, Any], **names: str) -> int:
        """Send a request that fits the description; the status of its answer."""
        path, query = self.path, {}
        for parameter in self.description.get("parameters", []):
            name = parameter["name"]
            path = path.replace(f"{{{name}}}", names.get(name, "missing"))
            if parameter["in"] == "query" and parameter.get("required"):
                query[name] = EXAMPLES[name]
        body = self.description.get("requestBody", {}).get("content", {}).get("application/json")
        json = example(body["schema"], document) if body else None
        return int(client.request(self.method, path, json=json, params=query).status_code)


def example(schema: dict[str, Any], document: dict[str, Any], name: str = "") -> Any:
    """The smallest value that a schema takes."""
    if "$ref" in schema:
        return example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        wanted = schema.get("required", [])
        return {key: example(schema["properties"][key], document, key) for key in wanted}
    if name not in EXAMPLES and schema.get("type") in ("integer", "array", "boolean"):
        return {"integer": 1, "array": [], "boolean": False}[schema["type"]]
    return EXAMPLES.get(name, "text-of-length")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    return [
        Operation(method.upper(), path.removeprefix("/api/v1"), description)
        for path, methods in document["paths"].items()
        for method, description in methods.items()
    ]


@pytest.fixture
def shop(sqlite_api: Api) -> Api:
    """An API with something to find."""
    sqlite_api.admin.post("/projects", json={"name": "shop"})
    sqlite_api.admin.post("/projects/shop/environments", json={"name": "production", "branch": "main"})
    sqlite_api.admin.post("/projects/shop/services", json={"name": "web"})
    sqlite_api.admin.put("/policies/calm", json={"text": 'forbid(principal == User::"x", action, resource);'})
    return sqlite_api


# Who may


def test_only_the_listed_operations_are_open_and_say_so(operations: list[Operation]) -> None:
    assert {each.name for each in operations if each.description.get("security") == []} == OPEN


def test_whoever_is_not_signed_in_gets_401_everywhere_else(
    shop: Api, operations: list[Operation], document: dict[str, Any]
) -> None:
    answers = {each.name: each.call(shop.nobody, document, **PRESENT) for each in operations if each.name not in OPEN}
    assert {name: status for name, status in answers.items() if status != 401} == {}


def test_no_operation_is_without_a_permission_check(
    shop: Api, operations: list[Operation], document: dict[str, Any]
) -> None:
    git = shop.caller_with("git")
    asked = [each for each in operations if each.name not in OPEN | FOR_EVERY_TOKEN]
    answers = {each.name: each.call(git, document, **PRESENT) for each in asked}
    assert {name: status for name, status in answers.items() if status != 403} == {}


def test_a_token_that_reads_changes_nothing_anywhere(
    shop: Api, operations: list[Operation], document: dict[str, Any]
) -> None:
    reader = shop.caller_with("read")
    asked = [each for each in operations if each.changes and each.name not in OPEN]
    answers = {each.name: each.call(reader, document, **PRESENT) for each in asked}
    assert {name: status for name, status in answers.items() if status != 403} == {}


def test_what_is_for_administrators_is_refused_to_members(
    shop: Api, operations: list[Operation], document: dict[str, Any]
) -> None:
    asked = [each for each in operations if each.changes and each.path.startswith("/users")]
    assert len(asked) == 4
    assert {each.call(shop.member, document) for each in asked} == {403}


def test_a_token_that_reads_reads_everything(shop: Api, operations: list[Operation], document: dict[str, Any]) -> None:
    reader = shop.caller_with("read")
    asked = [each for each in operations if not each.changes and each.name not in OPEN and "{id}" not in each.path]
    answers = {each.name: each.call(reader, document, **PRESENT) for each in asked}
    unread = {name: status for name, status in answers.items() if status != 200}
    assert set(unread) == {PLAN, "POST /access/evaluation"}, "nothing is deployed yet, so there is nothing to plan"


@pytest.mark.parametrize("missing", ["project", "service", "environment", "host", "id"])
def test_what_is_missing_is_404_everywhere(
    shop: Api, operations: list[Operation], document: dict[str, Any], missing: str
) -> None:
    names = {name: value for name, value in PRESENT.items() if name != missing}
    asked = [each for each in operations if f"{{{missing}}}" in each.path]
    answers = {each.name: each.call(shop.admin, document, **names) for each in asked}
    assert asked
    assert {name: status for name, status in answers.items() if status != 404} == {}


# How it is described


def test_the_description_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_operation_says_what_it_does_and_what_can_go_wrong(operations: list[Operation]) -> None:
    for each in operations:
        assert each.description.get("summary"), each.name
        assert each.description.get("description", "").strip().endswith("."), each.name
        assert each.description["tags"], each.name
        for status in ("4XX", "5XX"):
            assert list(each.description["responses"][status]["content"]) == ["application/problem+json"], each.name


def test_every_operation_has_a_name_of_its_own(operations: list[Operation]) -> None:
    names = [each.description["operationId"] for each in operations]
    assert sorted(set(names)) == sorted(names)


def test_every_body_is_closed_to_unknown_fields(operations: list[Operation], document: dict[str, Any]) -> None:
    for each in operations:
        for content in each.description.get("requestBody", {}).get("content", {}).values():
            schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False, each.name


def test_what_can_be_followed_says_so(operations: list[Operation]) -> None:
    followed = {
        each.name
        for each in operations
        if MEDIA_TYPE in each.description["responses"].get("200", {}).get("content", {})
    }
    assert {name.rpartition("/")[2] for name in followed} == {"log", "logs", "events"}
    assert len(followed) == 5


def test_every_action_of_the_api_is_one_that_is_documented(shop: Api, operations: list[Operation]) -> None:
    answer = shop.caller_with("git").get("/projects")
    assert answer.json()["action"] in ACTIONS


# Whatever is sent


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_can_be_sent_breaks_the_api(shop: Api, document: dict[str, Any], mode: GenerationMode) -> None:
    """Made-up requests of an administrator to every operation, as described and not: no answer says that we broke."""
    broken: list[str] = []

    def send(case: Any) -> None:
        sent = case.as_transport_kwargs(base_url=SOURCE)
        body = {key: sent[key] for key in ("params", "json") if key in sent}
        if "data" in sent:
            body["content"] = sent["data"]
        headers = {**sent["headers"], **shop.admin.headers}
        answer = shop.admin.request(sent["method"], sent["url"], headers=headers, **body)
        if answer.status_code >= 500:
            broken.append(f"{case.operation.label}: {answer.status_code} {sent}")

    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        strategy = operation.as_strategy(generation_mode=mode)
        names = {each.name for each in operation.path_parameters}
        if names and names <= PRESENT.keys() and operation.method != "delete":
            known = {name: PRESENT[name] for name in names}
            strategy = operation.as_strategy(generation_mode=mode, path_parameters=known) | strategy
        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is taken
            settings(MADE_UP)(given(strategy)(send))()
    assert broken == []
