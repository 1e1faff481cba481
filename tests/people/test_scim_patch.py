"""PATCH of SCIM resources, as the RFC has it and as directories do it."""

from __future__ import annotations

from typing import Any

import pytest

from highroad.people.scim.failures import BadPath, BadValue, Immutable, NoTarget, ScimProblem
from highroad.people.scim.patch import patched
from highroad.people.scim.schemas import GROUPS, USERS

ADA: dict[str, Any] = {
    "id": "usr_1",
    "userName": "ada",
    "displayName": "Ada",
    "name": {"givenName": "Ada"},
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
    "active": True,
}
TEAM: dict[str, Any] = {"displayName": "Payments", "members": [{"value": "usr_1"}, {"value": "usr_2"}]}


def user(*operations: dict[str, Any]) -> dict[str, Any]:
    return patched(USERS, ADA, {"Operations": list(operations)})


def members(*operations: dict[str, Any]) -> list[str]:
    return [each["value"] for each in patched(GROUPS, TEAM, {"Operations": list(operations)})["members"]]


def test_attributes_are_replaced_added_and_removed() -> None:
    changed = user(
        {"op": "replace", "path": "displayName", "value": "Ada L."},
        {"op": "add", "path": "name.familyName", "value": "Lovelace"},
        {"op": "add", "path": "externalId", "value": "X1"},
        {"op": "remove", "path": "name.givenName"},
    )
    assert (changed["displayName"], changed["externalId"]) == ("Ada L.", "X1")
    assert changed["name"] == {"familyName": "Lovelace"}
    assert ADA["displayName"] == "Ada", "what was given is as it was"


def test_an_operation_may_come_in_any_case_and_a_truth_value_as_text() -> None:
    assert user({"op": "Replace", "path": "Active", "value": "False"})["active"] is False
    assert user({"OP": "ADD", "PATH": "active", "VALUE": "true"})["active"] is True


def test_without_a_path_the_keys_of_the_value_are_paths() -> None:
    value = {"active": "False", "name.familyName": "L", 'emails[type eq "work"].value': "a@b.c"}
    changed = user({"op": "replace", "value": value})
    assert (changed["active"], changed["name"]["familyName"]) == (False, "L")
    assert changed["emails"] == [{"value": "a@b.c", "type": "work", "primary": True}]


def test_a_path_may_begin_with_the_schema() -> None:
    path = "urn:ietf:params:scim:schemas:core:2.0:User:displayName"
    assert user({"op": "replace", "path": path, "value": "A"})["displayName"] == "A"


def test_a_value_that_a_filter_does_not_find_is_added() -> None:
    without = {**ADA, "emails": []}
    operation = {"op": "replace", "path": 'emails[type eq "work"].value', "value": "new@example.com"}
    changed = patched(USERS, without, {"Operations": [operation]})
    assert changed["emails"] == [{"type": "work", "value": "new@example.com"}]


@pytest.mark.parametrize(
    "path",
    [
        "title",
        'phoneNumbers[type eq "work"].value',
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
    ],
)
def test_what_highroad_has_no_use_for_is_passed_over(path: str) -> None:
    assert user({"op": "add", "path": path, "value": "x"}) == ADA


def test_members_are_added_once() -> None:
    assert members({"op": "add", "path": "members", "value": [{"value": "usr_3"}, {"value": "usr_1"}]}) == [
        "usr_1",
        "usr_2",
        "usr_3",
    ]
    assert members({"op": "Add", "path": "members", "value": "usr_3"})[-1] == "usr_3"


def test_members_are_removed_by_filter_by_value_and_all() -> None:
    assert members({"op": "remove", "path": 'members[value eq "usr_1"]'}) == ["usr_2"]
    assert members({"op": "Remove", "path": "members", "value": [{"value": "usr_1"}]}) == ["usr_2"]
    assert members({"op": "remove", "path": "members"}) == []
    assert members({"op": "replace", "path": "members", "value": [{"value": "usr_9"}]}) == ["usr_9"]


def test_removing_a_member_who_is_not_there_is_said() -> None:
    with pytest.raises(NoTarget):
        members({"op": "remove", "path": 'members[value eq "usr_9"]'})


@pytest.mark.parametrize(
    ("operation", "wrong"),
    [
        ({"op": "move", "path": "active"}, ScimProblem),
        ({"op": "remove"}, NoTarget),
        ({"op": "replace", "value": "x"}, BadValue),
        ({"op": "replace", "path": "id", "value": "usr_2"}, BadPath),
        ({"op": "replace", "path": "nonsense", "value": "x"}, BadPath),
        ({"op": "replace", "path": "name.nonsense", "value": "x"}, BadPath),
        ({"op": "replace", "path": 'displayName[type eq "x"]', "value": "x"}, BadPath),
        ({"op": "replace", "path": "groups", "value": []}, Immutable),
        ({"op": "remove", "path": "userName"}, Immutable),
        ({"op": "replace", "path": "active", "value": "perhaps"}, BadValue),
        ({"op": "replace", "path": "displayName", "value": {"a": 1}}, BadValue),
        ({"op": "replace", "path": "displayName", "value": "x" * 300}, BadValue),
        ({"op": "replace", "path": 7, "value": "x"}, BadPath),
    ],
)
def test_what_cannot_be_done_is_refused(operation: dict[str, Any], wrong: type[ScimProblem]) -> None:
    with pytest.raises(wrong):
        user(operation)


@pytest.mark.parametrize(
    "document", [[], {}, {"Operations": []}, {"Operations": ["x"]}, {"schemas": ["x"], "Operations": [{}]}]
)
def test_what_is_no_change_is_refused(document: object) -> None:
    with pytest.raises(ScimProblem):
        patched(USERS, ADA, document)


def test_of_many_operations_one_that_fails_leaves_everything_as_it_was() -> None:
    with pytest.raises(BadPath):
        user({"op": "replace", "path": "displayName", "value": "x"}, {"op": "add", "path": "nonsense", "value": 1})
    assert ADA["displayName"] == "Ada"
