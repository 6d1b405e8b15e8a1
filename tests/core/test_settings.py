"""Settings: where they come from, and what a wrong one is answered."""

from pathlib import Path

import pytest

from core.settings_reader import SettingsError, load_settings


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ramal.toml"
    file.write_text('listen = "127.0.0.2"\n[sip]\nport = 6000\nrealm = "loja"\n')
    settings = load_settings(file, {"RAMAL_SIP_PORT": "7000", "HOME": "/"})
    assert (settings.listen, settings.sip.port, settings.sip.realm) == ("127.0.0.2", 7000, "loja")


def test_a_port_base_moves_all_ports() -> None:
    settings = load_settings(environment={"RAMAL_PORT_BASE": "40000"})
    assert (settings.sip.port, settings.web.port, settings.mqtt.port) == (40000, 40002, 40003)
    assert (settings.media.first_port, settings.media.last_port) == (40100, 49999)
    assert settings.media.first_port % 2 == 0


def test_a_single_port_wins_over_the_base() -> None:
    assert load_settings(environment={"RAMAL_PORT_BASE": "40000", "RAMAL_WEB_PORT": "8088"}).web.port == 8088


def test_the_tls_ports_follow_the_others_unless_they_are_chosen() -> None:
    def ports(**variables: str) -> tuple[int, int]:
        settings = load_settings(environment={f"RAMAL_{name}": value for name, value in variables.items()})
        return settings.sip_tls_port, settings.web_tls_port

    assert ports() == (5061, 8443)
    assert ports(PORT_BASE="40000") == (40001, 40004)
    assert ports(SIP_TLS_PORT="0", WEB_TLS_PORT="0") == (0, 0)
    assert ports(SIP_TLS_PORT="6061", WEB_TLS_PORT="443") == (6061, 443)
    assert ports(SIP_PORT="65535", WEB_PORT="65534") == (0, 0)


def test_the_web_address_of_ipv6_is_written_as_a_url() -> None:
    assert load_settings(environment={"RAMAL_LISTEN": "::1"}).web_url == "http://[::1]:8080"


def test_sip_listens_on_several_addresses(tmp_path: Path) -> None:
    assert load_settings(environment={"RAMAL_LISTEN": "127.0.0.2"}).sip_hosts == ("127.0.0.2",)
    settings = load_settings(environment={"RAMAL_SIP_LISTEN": "192.0.2.1, 2001:db8::1"})
    assert settings.sip_hosts == ("192.0.2.1", "2001:db8::1")
    twice = load_settings(environment={"RAMAL_SIP_LISTEN": "192.0.2.1,192.0.2.1"})
    assert twice.sip_hosts == ("192.0.2.1",)
    file = tmp_path / "ramal.toml"
    file.write_text('[sip]\nlisten = ["0.0.0.0", "::"]\n')
    assert load_settings(file).sip_hosts == ("0.0.0.0", "::")


def test_the_embedded_broker_leaves_loopback_only_with_a_password() -> None:
    def address(**variables: str) -> str:
        return load_settings(environment={f"RAMAL_{name}": value for name, value in variables.items()}).mqtt_address

    assert address(LISTEN="192.0.2.10") == "127.0.0.1"
    assert address(LISTEN="0.0.0.0") == "127.0.0.1"
    assert address(LISTEN="2001:db8::1") == "127.0.0.1"
    assert address(LISTEN="pbx.example") == "127.0.0.1"
    assert address(LISTEN="192.0.2.10", MQTT_USERNAME="shop", MQTT_PASSWORD="open sesame") == "192.0.2.10"
    assert [address(LISTEN=own) for own in ("127.0.0.2", "::1", "localhost")] == ["127.0.0.2", "::1", "localhost"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lissten = 1", "Did you mean “listen”"),
        ("[sip]\nrelm = 'x'", "Did you mean “sip.realm”"),
        ("[sip]\nport = 'abc'", "“sip.port” is wrong"),
        ("sip = 3", "“sip” is wrong"),
        ("[sip]\nport = 70000", "less than or equal to 65535"),
        ("[media]\nfirst_port = 20000\nlast_port = 20002", "at least 8 ports"),
        ("[tls]\nkey = 'key.pem'", "a key is named without a certificate"),
        ("port = [", "not valid TOML"),
        ("database_url = 'mysql://x/y'", "neither postgresql"),
        ("database_url = 'postgresql+asyncpg://host:port/y'", "neither postgresql"),
        ("database_url = 'here'", "neither postgresql"),
    ],
)
def test_a_wrong_file_is_answered_with_what_to_correct(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "ramal.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings(file)


def test_a_value_in_the_place_of_a_section_is_refused_whatever_the_environment_says(tmp_path: Path) -> None:
    file = tmp_path / "ramal.toml"
    file.write_text("sip = 3")
    for environment in ({"RAMAL_PORT_BASE": "9630"}, {"RAMAL_SIP_PORT": "5070"}):
        with pytest.raises(SettingsError, match="“sip” is wrong"):
            load_settings(file, environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [("RAMAL_DATABASE_URL", "postgres://ramal:hunter2@host/name"), ("RAMAL_MQTT_PASSWORD", "hunter2" * 50)],
)
def test_a_wrong_setting_that_may_hold_a_password_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment={name: value})
    assert "hunter2" not in refused.value.message


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="RAMAL_SIP_PORT"):
        load_settings(environment={"RAMAL_SIP_PROT": "5070"})


@pytest.mark.parametrize("base", ["80", "x", "65500"])
def test_a_wrong_port_base_is_refused(base: str) -> None:
    with pytest.raises(SettingsError, match="RAMAL_PORT_BASE"):
        load_settings(environment={"RAMAL_PORT_BASE": base})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no settings file .*gone\.toml"):
        load_settings(tmp_path / "gone.toml")


def test_networks_that_are_never_banned_are_read_and_wrong_ones_refused() -> None:
    settings = load_settings(None, {"RAMAL_SIP_NEVER_BAN": "203.0.113.7, 198.51.100.0/24,2001:db8::/32"})
    assert [str(one) for one in settings.sip.spared_networks] == ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32"]
    assert load_settings(None, {}).sip.spared_networks == ()
    for wrong in ("office", "0.0.0.0/0", "10.0.0.0/33"):
        with pytest.raises(SettingsError, match=r"sip\.never_ban"):
            load_settings(None, {"RAMAL_SIP_NEVER_BAN": wrong})
        with pytest.raises(SettingsError, match=r"sip\.trusted_networks"):
            load_settings(None, {"RAMAL_SIP_TRUSTED_NETWORKS": wrong})
    trusting = load_settings(None, {"RAMAL_SIP_TRUSTED_NETWORKS": "192.0.2.0/24, 2001:db8::7"})
    assert [str(one) for one in trusting.sip.trusted] == ["192.0.2.0/24", "2001:db8::7/128"]


def test_dns_servers_are_read_with_their_ports_and_wrong_ones_refused() -> None:
    text = "192.0.2.53, 192.0.2.54:5353,[2001:db8::53]:54, 2001:db8::54"
    assert load_settings(None, {"RAMAL_SIP_DNS_SERVERS": text}).sip.dns == (
        ("192.0.2.53", 53),
        ("192.0.2.54", 5353),
        ("2001:db8::53", 54),
        ("2001:db8::54", 53),
    )
    assert load_settings(None, {}).sip.dns == ()
    for wrong in ("dns.example", "192.0.2.53:0", "192.0.2.53:x", "[2001:db8::53]x"):
        with pytest.raises(SettingsError, match=r"DNS server|port"):
            load_settings(None, {"RAMAL_SIP_DNS_SERVERS": wrong})


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("turn.example.com:3479", ("turn.example.com", 3479)),
        ("turn.example.com", ("turn.example.com", 3478)),
        ("[2001:db8::1]:3479", ("2001:db8::1", 3479)),
        ("2001:db8::1", ("2001:db8::1", 3478)),
        ("", None),
    ],
)
def test_a_turn_server_is_named_with_or_without_its_port(text: str, server: tuple[str, int] | None) -> None:
    assert load_settings(environment={"RAMAL_MEDIA_TURN_SERVER": text}).media.turn == server


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"MEDIA_ICE": "relay"}, "needs a turn_server"),
        ({"MEDIA_STUN_SERVER": "stun.example.com:seventy"}, "no host and port"),
        ({"MEDIA_STUN_SERVER": "stun.example.com:70000"}, "no host and port"),
        ({"MEDIA_STUN_SERVER": ":3478"}, "no host and port"),
        ({"MEDIA_ICE": "heavy"}, "media.ice"),
    ],
)
def test_ice_that_cannot_work_is_refused(variables: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_settings(environment={f"RAMAL_{name}": value for name, value in variables.items()})
