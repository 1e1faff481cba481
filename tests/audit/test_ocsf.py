"""Every type of event becomes a document that the schema of its OCSF class accepts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from highroad.audit.ocsf import CLASSES, VERSION, ocsf_event
from highroad.events import model
from highroad.events.model import ALL_TYPES, EventType, Recorded
from tests.audit.recorded import of_type, saying


@cache
def validator(uid: int) -> Draft202012Validator:
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    name = schemas.lookup_class_name_from_uid(class_uid=uid)
    return Draft202012Validator(schemas.get_class_schema(class_name=name, profiles=[]))


@pytest.fixture
def valid() -> Callable[[Recorded], dict[str, Any]]:
    def check(recorded: Recorded) -> dict[str, Any]:
        document = ocsf_event(recorded)
        errors = [
            f"{'/'.join(str(each) for each in error.absolute_path)}: {error.message[:200]}"
            for error in validator(document["class_uid"]).iter_errors(document)
        ]
        assert errors == [], recorded.type
        return document

    return check


@pytest.mark.parametrize("type", ALL_TYPES, ids=lambda each: each.name)
def test_every_type_is_valid_by_its_schema(type: EventType, valid: Callable[[Recorded], dict[str, Any]]) -> None:
    document = valid(of_type(type))
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
    assert document["category_uid"] == CLASSES[document["class_uid"]][1]


@pytest.mark.parametrize("type", ALL_TYPES, ids=lambda each: each.name)
def test_an_event_that_says_the_least_is_valid_too(
    type: EventType, valid: Callable[[Recorded], dict[str, Any]]
) -> None:
    unknown = dict.fromkeys(("actor_id", "actor_kind", "token", "address", "request", "action", "decision", "policy"))
    valid(of_type(type, data={}, project=None, service=None, environment=None, **unknown))


@pytest.mark.parametrize(
    ("type", "content", "expected"),
    [
        (model.USER_SIGNED_IN, {}, (3002, 1, 1)),
        (model.USER_REFUSED, {}, (3002, 1, 2)),
        (model.USER_CREATED, {}, (3001, 1, 1)),
        (model.USER_MODIFIED, {"changed": ["password"]}, (3001, 3, 1)),
        (model.TOKEN_REVOKED, {}, (3004, 4, 1)),
        (model.VARIABLES_CHANGED, {}, (3004, 3, 1)),
        (model.SERVICE_DEPLOYED, {}, (6003, 1, 1)),
        (model.TEAM_CREATED, {}, (3006, 6, 1)),
        (model.ACCESS_GRANTED, {}, (3005, 1, 1)),
        (model.ACCESS_WITHDRAWN, {}, (3005, 2, 1)),
        (model.ACCESS_REFUSED, {}, (6003, 99, 2)),
        (model.SECONDFACTOR_ENABLED, {}, (3001, 10, 1)),
        (model.SECONDFACTOR_REFUSED, {}, (3002, 1, 2)),
        (model.PIPELINERUN_FINISHED, {"outcome": "failure"}, (6003, 99, 2)),
    ],
)
def test_the_class_the_activity_and_the_outcome_fit(
    type: EventType, content: dict[str, object], expected: tuple[int, int, int]
) -> None:
    document = ocsf_event(of_type(type, data=saying(content)))
    assert (document["class_uid"], document["activity_id"], document["status_id"]) == expected


def test_a_deactivated_user_is_a_disabled_account(valid: Callable[[Recorded], dict[str, Any]]) -> None:
    data = saying({}, before={"active": True}, after={"active": False})
    document = valid(of_type(model.USER_MODIFIED, data=data))
    assert document["activity_name"] == "Disable"
    assert document["unmapped"]["highroad"]["changed"] == {"active": {"before": True, "after": False}}


@pytest.mark.parametrize(
    ("before", "after", "activity"), [(None, ["manual"], "Add User"), (["manual"], None, "Remove User")]
)
def test_a_membership_that_begins_or_ends_is_told(
    before: list[str] | None, after: list[str] | None, activity: str, valid: Callable[[Recorded], dict[str, Any]]
) -> None:
    content: dict[str, object] = {"name": "payments", "member": "ben@example.com", "user": "usr_1"}
    data = saying(content, before={"membership": before}, after={"membership": after})
    document = valid(of_type(model.TEAM_MEMBERS_CHANGED, data=data))
    assert document["activity_name"] == activity
    assert document["group"]["name"] == "payments"
    assert document["user"] == {"name": "ben@example.com", "uid": "usr_1"}


def test_breaking_the_glass_is_louder() -> None:
    assert ocsf_event(of_type(model.GATE_PASSED))["severity"] == "Medium"


def test_who_from_where_by_which_right_stands_in_it(valid: Callable[[Recorded], dict[str, Any]]) -> None:
    document = valid(of_type(model.DEPLOYMENT_QUEUED))
    assert document["actor"]["user"] == {"name": "ada@example.com", "type_id": 1, "uid": "usr_2"}
    assert document["actor"]["session"]["credential_uid"] == "tok_1"
    assert document["actor"]["authorizations"][0]["policy"]["uid"] == "role:deployer"
    assert document["src_endpoint"] == {"ip": "203.0.113.7", "svc_name": "cli"}
    assert document["metadata"]["correlation_uid"] == "req_1"
    assert document["time"] == 1_795_341_600_250


@pytest.mark.parametrize("address", ["local", "fe80::1%eth0", "2001:db8::1", "", "::ffff:10.0.0.1"])
def test_whatever_the_address_is_the_document_is_valid(
    address: str, valid: Callable[[Recorded], dict[str, Any]]
) -> None:
    valid(of_type(model.DEPLOYMENT_QUEUED, address=address))


def test_a_refusal_is_a_failure_and_highroad_itself_is_an_application(
    valid: Callable[[Recorded], dict[str, Any]],
) -> None:
    assert valid(of_type(model.DEPLOYMENT_QUEUED, decision="refused"))["status"] == "Failure"
    system = valid(of_type(model.DEPLOYMENT_QUEUED, actor="highroad", actor_kind="system"))
    assert system["actor"] == {"app_name": "highroad"}
