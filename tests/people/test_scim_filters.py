"""SCIM filters and paths: what the grammar takes, what it answers, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.people.scim.failures import BadFilter, BadPath
from highroad.people.scim.filters import AttributePath, Compare, Path, matches, parse_filter, parse_path

ADA = {
    "id": "usr_1",
    "userName": "Ada@example.com",
    "externalId": "X1",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada@example.com", "type": "work", "primary": True}],
    "active": True,
    "meta": {"created": "2026-01-02T00:00:00Z"},
}


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "ada@EXAMPLE.com"',
        'username Eq "ada@example.com"',
        'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "ada"',
        'name.familyName co "love"',
        'emails.value ew "example.com"',
        'emails eq "ADA@example.com"',
        'emails[type eq "work" and value co "ada"]',
        "emails[primary eq true]",
        'active eq true and not (name.givenName eq "Eve")',
        'userName eq "x" or externalId eq "X1"',
        'userName eq "x" or (externalId eq "X1" and active eq True)',
        'meta.created gt "2026-01-01T00:00:00Z"',
        "title pr or emails pr",
        "title eq null",
        "userName ne null",
        'userName ne "eve"',
    ],
)
def test_what_a_filter_finds(text: str) -> None:
    assert matches(parse_filter(text), ADA)


@pytest.mark.parametrize(
    "text",
    [
        'externalId eq "x1"',
        'userName eq "eve"',
        "not (active eq true)",
        'emails[type eq "home"]',
        "title pr",
        'active eq "true"',
        'name.nickName eq "x"',
        'userName eq "a" and userName eq "b" or userName eq "c"',
    ],
)
def test_what_a_filter_does_not_find(text: str) -> None:
    assert not matches(parse_filter(text), ADA)


def test_and_binds_closer_than_or() -> None:
    assert matches(parse_filter('userName sw "ada" or userName eq "x" and userName eq "y"'), ADA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "userName",
        "userName eq",
        "userName eq eve",
        'userName is "x"',
        '"x" eq userName',
        'userName eq "x',
        'userName eq "x" and',
        '(userName eq "x"',
        'userName eq "x")',
        'emails[type eq "work"',
        "userName eq 'x'",
        'userName eq "x"; DROP TABLE users',
        'userName eq "x" OR 1=1 --',
        "userName eq \"x' OR '1'='1\" UNION SELECT",
        "(" * 200 + 'userName eq "x"' + ")" * 200,
        'userName eq "' + "x" * 5000 + '"',
        "active gt true",
        "ſelect pr",
    ],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        matches(parse_filter(text), ADA)


def test_what_would_be_sql_elsewhere_is_a_text_here() -> None:
    found = parse_filter("userName eq \"x' OR '1'='1\"")
    assert found == Compare(AttributePath("username"), "eq", "x' OR '1'='1")
    assert not matches(found, ADA)


@given(st.text(max_size=200))
def test_whatever_is_sent_is_a_filter_or_refused(text: str) -> None:
    try:
        found = parse_filter(text)
        assert matches(found, ADA) in (True, False)
    except BadFilter:
        pass


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=50))
def test_a_quoted_text_is_compared_as_it_is(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    found = parse_filter(f'externalId eq "{quoted}"')
    assert isinstance(found, Compare)
    assert found.value == text


def test_a_path_is_an_attribute_a_filter_and_a_part() -> None:
    assert parse_path("name.givenName") == Path(AttributePath("name"), None, "givenname")
    chosen = parse_path('emails[type eq "work"].value')
    assert (chosen.attribute.name, chosen.sub) == ("emails", "value")
    assert chosen.filter == Compare(AttributePath("type"), "eq", "work")
    urn = parse_path("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department")
    assert (urn.attribute.name, urn.attribute.urn) == (
        "department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    )


@pytest.mark.parametrize("text", ["", "a b", "emails[", 'emails[type eq "x"]value', "a.b.c", "emails[x]", "1"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises((BadPath, BadFilter)):
        parse_path(text)
