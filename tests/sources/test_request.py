"""What the gateway reads from a request's scope."""

from __future__ import annotations

import base64

import pytest

from highroad.sources.request import NotAGitAddress, Request


def request(path: str = "/shop/web.git/info/refs", *, root: str = "", authorization: str = "") -> Request:
    headers = [(b"authorization", authorization.encode()), (b"host", b"localhost:8080")]
    return Request({"path": path, "root_path": root, "headers": headers, "query_string": b"", "scheme": "http"})


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(("path", "root"), [("/shop/web.git/info/refs", ""), ("/git/shop/web/info/refs", "/git")])
def test_names_are_found_mounted_or_not_with_or_without_git(path: str, root: str) -> None:
    assert request(path, root=root).names() == ("shop", "web", "/info/refs")


def test_a_browser_is_given_the_address_to_clone() -> None:
    with pytest.raises(NotAGitAddress) as told:
        request("/git/shop/web", root="/git").names()
    assert told.value.next_step == "git clone http://localhost:8080/git/shop/web.git"


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        (basic("ann:hr_1"), "hr_1"),
        (basic("hr_1:"), "hr_1"),
        (basic("ann:with:colon"), "with:colon"),
        ("bearer hr_1", "hr_1"),
        ("Basic not-base64!", None),
        ("Digest x", None),
        ("", None),
    ],
)
def test_a_token_is_a_password_or_a_bearer(authorization: str, token: str | None) -> None:
    assert request(authorization=authorization).token() == token
