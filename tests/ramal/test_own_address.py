"""What the server says of itself where it listens on every address, or on a name."""

from __future__ import annotations

import ipaddress

import pytest

from core.settings import Settings
from ramal.own_address import numeric_addresses, told_address


@pytest.mark.parametrize("listen", ["0.0.0.0", "::"])
def test_phones_are_never_told_an_address_that_means_all_of_them(listen: str) -> None:
    told = told_address(Settings(listen=listen))
    assert not ipaddress.ip_address(told).is_unspecified


def test_what_is_set_is_told() -> None:
    settings = Settings.model_validate({"listen": "0.0.0.0", "sip": {"advertised_address": "pbx.example"}})
    assert told_address(settings) == "pbx.example"
    assert told_address(Settings(listen="192.0.2.10")) == "192.0.2.10"


def test_names_that_are_listened_on_become_addresses() -> None:
    (first, *others) = numeric_addresses(("localhost", "127.0.0.1", "192.0.2.1", "no-such-name.invalid"))
    assert ipaddress.ip_address(first).is_loopback
    assert others in (["192.0.2.1", "no-such-name.invalid"], ["127.0.0.1", "192.0.2.1", "no-such-name.invalid"])
