"""What instances get of variables that refer to each other, and which references are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.projects.model import Variable, VariableKind
from highroad.projects.references import (
    BadFilePath,
    BadReference,
    Delivered,
    check,
    check_path,
    delivered,
)


def variable(name: str, value: str, kind: VariableKind = "plain", file: str = "") -> Variable:
    return Variable(name, value, "project", kind=kind, id=f"var_{name}", file=file)


URL = variable("URL", "postgres://shop:${{ secret.PASSWORD }}@${{HOST}}/shop")
PASSWORD = variable("PASSWORD", "hunter2", "secret")
HOST = variable("HOST", "db.internal")


def test_references_are_filled_in_and_what_holds_a_secret_is_one() -> None:
    found = delivered([URL, PASSWORD, HOST])
    assert found["URL"] == "postgres://shop:hunter2@db.internal/shop"
    assert found.secret == {"URL", "PASSWORD"}
    assert found.secret_values == {"hunter2", found["URL"]}


def test_an_alias_is_the_other_one_also_in_being_secret() -> None:
    found = delivered([PASSWORD, variable("PGPASSWORD", "PASSWORD", "alias")])
    assert found["PGPASSWORD"] == "hunter2"
    assert "PGPASSWORD" in found.secret


def test_a_secret_is_taken_as_it_is() -> None:
    assert delivered([variable("A", "${{B}}", "secret")])["A"] == "${{B}}"


@pytest.mark.parametrize(
    "text", ["$HOME", "${HOME}", "{{HOST}}", "${{ a.b }}", "${{}}", "${{HOST", "$ {{HOST}}", "${{HO ST}}"]
)
def test_what_is_no_reference_stays(text: str) -> None:
    assert delivered([variable("A", text), HOST])["A"] == text


def test_a_doubled_dollar_is_a_plain_one() -> None:
    assert delivered([variable("A", "$${{HOST}} ${{HOST}}"), HOST])["A"] == "${{HOST}} db.internal"


@given(st.text(alphabet="${} ABsecrt.", max_size=40))
def test_any_text_is_delivered_or_refused_in_words(text: str) -> None:
    variables = [variable("A", text), variable("B", "b")]
    try:
        check(variables, variables)
    except BadReference:
        with pytest.raises(BadReference):
            delivered(variables)
    else:
        assert set(delivered(variables)) == {"A", "B"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"A": "${{A}}"}, "A -> A"),
        ({"A": "${{B}}", "B": "x${{C}}", "C": "${{A}}"}, "A -> B -> C -> A"),
        ({"A": "${{MISSING}}"}, "A refers to MISSING"),
        ({"A": "${{secret.B}}", "B": "plain"}, "B is a plain variable"),
    ],
)
def test_a_reference_that_leads_nowhere_is_named(values: dict[str, str], said: str) -> None:
    variables = [variable(name, value) for name, value in values.items()]
    with pytest.raises(BadReference, match=said):
        delivered(variables)
    with pytest.raises(BadReference, match=said):
        check(variables, variables)


def test_a_circle_through_an_alias_is_found() -> None:
    variables = [variable("A", "B", "alias"), variable("B", "${{A}}")]
    with pytest.raises(BadReference, match="A -> B -> A"):
        check(variables, variables)


def test_what_is_set_elsewhere_in_the_project_may_be_meant_for_there() -> None:
    check([URL], [URL, PASSWORD, HOST])
    with pytest.raises(BadReference):
        delivered([URL])


def test_references_that_grow_without_end_are_stopped() -> None:
    variables = [variable("A0", "x" * 1000)]
    variables += [variable(f"A{number}", f"${{{{A{number - 1}}}}}" * 10) for number in range(1, 10)]
    with pytest.raises(BadReference, match="longer than 128 KiB"):
        delivered(variables)


def test_references_over_very_many_steps_are_stopped() -> None:
    variables = [variable("A0", "x"), *(variable(f"A{n}", f"${{{{A{n - 1}}}}}") for n in range(1, 2000))]
    with pytest.raises(BadReference, match="more than 50 steps"):
        delivered(list(reversed(variables)))


# External secrets


def test_an_external_value_is_filled_in_by_its_id() -> None:
    external = variable("PASSWORD", "{}", "external")
    assert delivered([URL, HOST, external], {"var_PASSWORD": "x"})["URL"] == "postgres://shop:x@db.internal/shop"


def test_what_depends_on_an_unknown_value_is_left_out_and_named() -> None:
    external = variable("PASSWORD", "{}", "external", file="/run/secrets/p")
    found = delivered([URL, HOST, external])
    assert dict(found) == {"HOST": "db.internal"}
    assert found.unknown == {"URL", "PASSWORD", "/run/secrets/p"}
    assert found.differing(Delivered({"HOST": "db.internal", "URL": "anything"})) == []
    assert found.differing(Delivered({"HOST": "other"})) == ["HOST"]


def test_a_secret_that_was_set_anew_differs_also_with_an_equal_value() -> None:
    before = delivered([URL, HOST, PASSWORD])
    again = delivered([URL, HOST, replace(PASSWORD, version=PASSWORD.version + 1)])
    assert before.differing(again) == ["PASSWORD", "URL"]
    assert before.differing(Delivered.from_json(before.to_json())) == []
    assert again.differing(Delivered(dict(before), before.secret)) == [], "kept before versions were known"


# Files


def test_a_file_is_its_content_at_its_path_and_the_path_in_the_variable() -> None:
    found = delivered([variable("CERT", "-----BEGIN", "secret", file="/run/secrets/cert.pem")])
    assert found.variables == {"CERT": "/run/secrets/cert.pem"}
    assert found.files == {"/run/secrets/cert.pem": "-----BEGIN"}
    assert found.secret == {"/run/secrets/cert.pem"}


def test_two_files_at_one_path_are_refused() -> None:
    with pytest.raises(BadFilePath, match="/run/x"):
        delivered([variable("A", "1", file="/run/x"), variable("B", "2", file="/run/x")])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "/",
        "/etc/../x",
        "/x/",
        "//x",
        "/a//b",
        "/proc/self/environ",
        "/sys/x",
        "/dev/x",
        "/a\nb",
        "/" + "x" * 300,
    ],
)
def test_a_path_that_no_file_can_have_is_refused(path: str) -> None:
    with pytest.raises(BadFilePath):
        check_path(path)


@given(st.dictionaries(st.text(), st.text()), st.sets(st.text()), st.sets(st.text()))
def test_what_is_delivered_survives_being_stored(values: dict[str, str], secret: set[str], unknown: set[str]) -> None:
    found = Delivered.from_json(Delivered(values, secret, unknown).to_json())
    assert (dict(found), found.secret, found.unknown) == (values, frozenset(secret), frozenset(unknown))


@pytest.mark.parametrize("text", ['{"A": "1"}', '{"values": "x", "secret": "y"}', "{}"])
def test_what_was_stored_before_there_were_secrets_is_read(text: str) -> None:
    assert Delivered.from_json(text).secret == frozenset()
