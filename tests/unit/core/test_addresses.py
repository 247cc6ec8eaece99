"""Which addresses are public, and every known way around the question."""

from __future__ import annotations

import ipaddress

import pytest

from headway.core.addresses import is_public


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "192.167.1.1", "100.63.255.255", "223.255.255.255",
     "2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1"],
)  # fmt: skip
def test_the_public_internet(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
     "172.31.255.255", "192.0.0.1", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "240.0.0.1",
     "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::a00:1",
     "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd12::1",
     "fe80::1", "ff02::1"],
)  # fmt: skip
def test_everything_else(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
