"""Forms as they are sent, and the proof that a page of ours sent them."""

from __future__ import annotations

import pytest
from fastapi import Request

from highroad.web.auth import BadCsrf
from highroad.web.forms import MOST_FIELDS, BadForm, parse_form, require_csrf, require_own_origin
from tests.portal.site import Browser


def _request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/sign-in", "headers": raw})


def test_fields_keep_their_order_and_repeated_ones_all_their_values() -> None:
    form = parse_form(b"scope=read&name=+laptop+&scope=git&value=a%0D%0Ab")
    assert form.all("scope") == ["read", "git"]
    assert (form.text("name"), form.raw("name")) == ("laptop", " laptop ")
    assert form.raw("value") == "a\nb"
    assert form.text("missing") == ""


@pytest.mark.parametrize("body", [b"\xff=1", b"&".join([b"a=1"] * (MOST_FIELDS + 1))])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(BadForm):
        parse_form(body)


def test_a_number_is_digits_or_nothing() -> None:
    assert parse_form(b"days=90").number("days") == 90
    assert parse_form(b"days=").number("days") is None
    for bad in (b"days=-1", b"days=1e9", b"days=9999999999", "days=٣".encode()):
        with pytest.raises(BadForm):
            parse_form(bad).number("days")


def test_the_csrf_token_must_be_the_sessions_own() -> None:
    require_csrf(parse_form(b"csrf=token"), "token")
    for bad in (b"", b"csrf=", b"csrf=other", "csrf=tökén".encode()):
        with pytest.raises(BadCsrf):
            require_csrf(parse_form(bad), "token")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://app.production.shop.localhost:8080"},
        {"origin": "null"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_a_form_from_another_site_is_refused_before_there_is_a_session(headers: dict[str, str]) -> None:
    with pytest.raises(BadCsrf):
        require_own_origin(_request(host="localhost:8080", **headers))


def test_a_form_of_our_own_and_a_program_are_let_through() -> None:
    require_own_origin(_request(host="localhost:8080", origin="http://localhost:8080", sec_fetch_site="same-origin"))
    require_own_origin(_request(host="localhost:8080"))


def test_a_form_of_a_megabyte_is_refused(ada: Browser) -> None:
    page = ada.post("/projects", name="x" * 1_000_000)
    assert page.status == 413
    assert "at most 256 KiB" in page.text


def test_an_upload_is_no_form(ada: Browser) -> None:
    response = ada.client.post("/projects", files={"name": b"shop"})
    assert response.status_code == 400
