"""Which addresses are never asked."""

from __future__ import annotations

import pytest

from highroad.kit.addresses import literal_refusal, refusal


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "::1", "192.168.1.1", "fd00::1", "203.0.113.7"])
def test_servers_inside_and_outside_are_allowed(address: str) -> None:
    assert refusal(address) == ""


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "ff02::1", "::"]
)
def test_metadata_services_multicast_and_no_host_are_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize(
    "address", ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::1%eth0"]
)
def test_an_address_inside_of_another_is_found(address: str) -> None:
    assert refusal(address)


def test_a_name_is_not_judged_before_it_is_resolved() -> None:
    assert literal_refusal("metadata.example.com") == ""
    assert literal_refusal("169.254.169.254")
