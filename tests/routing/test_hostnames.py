"""Host names come out canonical, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.kit.names import NotALabel
from highroad.routing.hostnames import BadDomain, is_host, own_domain, service_host


def test_a_services_host_reads_from_service_to_domain() -> None:
    assert service_host("web", "production", "shop", "localhost") == "web.production.shop.localhost"


def test_a_name_that_is_no_label_is_refused_by_its_field() -> None:
    with pytest.raises(NotALabel) as caught:
        service_host("web", "pro.duction", "shop", "localhost")
    assert caught.value.errors[0].pointer == "/environment"


def test_a_host_longer_than_dns_allows_is_refused() -> None:
    with pytest.raises(BadDomain, match="at most 253"):
        service_host("a" * 63, "b" * 63, "c" * 63, "d" * 63 + ".example")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" Shop.Example.ORG. ", "shop.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.Example.org", "*.example.org"),
        ("shop.example.com", "shop.example.com"),
    ],
)
def test_an_own_domain_comes_out_canonical(text: str, canonical: str) -> None:
    assert own_domain(text, platform="paas.example.com") == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "shop", "localhost", "a.localhost", "paas.example.com", "x.paas.example.com", "*.example.com",
        "http://shop.example.org", "shop.example.org:80", "shop.example.org/x", "10.0.0.1", "::1", "a.*.example.org",
        "*.org", "**.example.org", "-a.example.org", "a_b.example.org", "a..example.org", "a b.example.org",
        "{env.HOME}.example.org", "1.2.3.4.5", "a" * 64 + ".org", ".".join(["a" * 60] * 5), "x@y.org",
    ],
)  # fmt: skip
def test_a_domain_that_cannot_be_routed_is_refused_with_a_next_step(text: str) -> None:
    with pytest.raises(BadDomain) as caught:
        own_domain(text, platform="paas.example.com")
    assert caught.value.next_step


@given(st.text(max_size=60))
def test_whatever_is_accepted_can_be_matched_by_the_router(text: str) -> None:
    try:
        name = own_domain(text, platform="paas.example.com")
    except BadDomain:
        return
    assert is_host(name)
    assert own_domain(name, platform="paas.example.com") == name


@pytest.mark.parametrize("host", ["", "a:80", "{x}.y", "A.b", "a.*.b", "*", "a b", "a."])
def test_what_is_no_host_is_not_matched(host: str) -> None:
    assert not is_host(host)
