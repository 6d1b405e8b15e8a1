"""What the doctor says of ports, addresses, certificates, trunks, phones, disk and work, given the facts."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import ManualClock
from core.settings_reader import load_settings
from pbx.registration_losses import RegistrationLosses
from ramal.doctor import addresses, certificates, models, ports, registrations, storage, trunks, work
from ramal.doctor.findings import Finding, Severity, as_text, ok, worst
from tests.support.certificates import Authority

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def codes(findings: list[Finding]) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in findings}


# Ports.


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_taken_port_is_found_with_the_program_that_has_it(kind: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        setting = "RAMAL_SIP_PORT" if kind == "udp" else "RAMAL_WEB_PORT"
        settings = load_settings(environment={"RAMAL_PORT_BASE": "9630", setting: str(port)})
        findings = ports.examine(ports.gather(settings))
    (finding,) = [one for one in findings if one.about == f"{kind}:{port}"]
    assert finding.severity is Severity.PROBLEM
    assert f"(process {os.getpid()})" in finding.message
    assert setting in finding.advice


def test_an_address_of_another_machine_is_told_once_and_apart_from_a_taken_port() -> None:
    settings = load_settings(environment={"RAMAL_PORT_BASE": "9630", "RAMAL_LISTEN": "192.0.2.1"})
    (finding,) = ports.examine(ports.gather(settings))
    assert (finding.code, finding.about) == ("foreign_address", "192.0.2.1")
    assert "SIP, SIP over TLS, Web and API, HTTPS" in finding.message
    # No RTP port of it is taken by anybody.
    assert ports.gather_rtp(settings) == 0


def test_a_name_that_leads_nowhere_is_no_taken_port() -> None:
    environment = {"RAMAL_PORT_BASE": "9630", "RAMAL_SIP_LISTEN": "nowhere.invalid,nowhere.invalid"}
    findings = ports.examine(ports.gather(load_settings(environment=environment)))
    assert [(one.code, one.about) for one in findings] == [("foreign_address", "nowhere.invalid")]


def test_a_port_that_nobody_chose_and_that_is_taken_is_a_warning() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # SIP over TLS is one above SIP, which itself stays closed here.
        tls_port = taken.getsockname()[1]
        environment = {"RAMAL_PORT_BASE": "9630", "RAMAL_SIP_PORT": str(tls_port - 1)}
        settings = load_settings(environment=environment)
        (found,) = [one for one in ports.examine(ports.gather(settings)) if one.about == f"tcp:{tls_port}"]
        assert (found.code, found.severity) == ("port_taken", Severity.WARNING)
        assert "RAMAL_SIP_TLS_PORT" in found.advice
        chosen = load_settings(environment=environment | {"RAMAL_SIP_TLS_PORT": str(tls_port)})
        (found,) = [one for one in ports.examine(ports.gather(chosen)) if one.about == f"tcp:{tls_port}"]
        assert found.severity is Severity.PROBLEM


def test_a_running_server_tells_which_ports_it_does_without() -> None:
    settings = load_settings(environment={"RAMAL_PORT_BASE": "9630"})
    assert ports.gather_silent(settings, {("127.0.0.1", 9631)}, https=True) == []
    silent = ports.gather_silent(settings, set(), https=False)
    assert [one.need.setting for one in silent] == ["RAMAL_SIP_TLS_PORT", "RAMAL_WEB_TLS_PORT"]
    assert codes(ports.examine_taken(silent)) == {"port_taken": Severity.WARNING}


def test_a_port_of_another_users_program_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = "   1: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 4711 2 0000 0\n"
    (tmp_path / "net" / "udp").write_text("header\n" + line)
    assert ports.owner_of("udp", 5060, tmp_path) == "a program of another user"
    assert ports.owner_of("udp", 5061, tmp_path) == ""


def test_an_rtp_range_that_is_small_or_shared_is_told() -> None:
    assert codes(ports.examine_rtp(0, 20_000, 29_999, (32_768, 60_999), 2000)) == {}
    assert codes(ports.examine_rtp(0, 40_000, 49_999, (32_768, 60_999), 2000)) == {"rtp_ports_shared": Severity.NOTE}
    assert codes(ports.examine_rtp(0, 20_000, 20_039, None, 2000)) == {"few_rtp_ports": Severity.NOTE}
    assert codes(ports.examine_rtp(40, 20_000, 20_039, None, 2000)) == {"few_rtp_ports": Severity.PROBLEM}


# Addresses.


@pytest.mark.parametrize(
    ("listen", "advertised", "resolved", "outgoing", "code", "severity"),
    [
        ("127.0.0.1", "", (), "192.168.1.5", "loopback_only", Severity.NOTE),
        ("0.0.0.0", "", (), "192.168.1.5", "private_address", Severity.NOTE),
        ("0.0.0.0", "", (), "203.0.113.5", "addresses_fit", Severity.OK),
        ("0.0.0.0", "pbx.example.com", ("8.8.8.8",), "10.0.0.5", "addresses_fit", Severity.OK),
        ("0.0.0.0", "pbx.example.com", (), "10.0.0.5", "advertised_unknown", Severity.PROBLEM),
        ("0.0.0.0", "localhost", ("127.0.0.1",), "10.0.0.5", "advertised_loopback", Severity.PROBLEM),
        ("127.0.0.1", "8.8.8.8", ("8.8.8.8",), "10.0.0.5", "advertised_not_listened", Severity.PROBLEM),
    ],
)
def test_addresses_that_phones_cannot_reach_are_told(
    listen: str, advertised: str, resolved: tuple[str, ...], outgoing: str, code: str, severity: Severity
) -> None:
    facts = addresses.AddressFacts(listen, advertised, resolved, outgoing, "UDP 5060")
    assert codes(addresses.examine(facts))[code] is severity


# Certificates.


def test_a_certificate_is_judged_by_its_time_and_names(tmp_path: Path) -> None:
    file = Authority.make(tmp_path).issue(tmp_path / "pbx.pem", "pbx.example.com", "*.phones.example.com")
    file.chmod(0o600)
    facts = certificates.gather(file)
    assert facts.not_after is not None
    assert facts.not_before is not None
    good = facts.not_before + timedelta(seconds=1)

    def judged(now: datetime, *hosts: str) -> dict[str, Severity]:
        return codes(certificates.examine(facts, hosts, now))

    expired = judged(facts.not_after + timedelta(seconds=1))
    assert expired == {"certificate_expired": Severity.PROBLEM}
    assert judged(facts.not_before - timedelta(hours=1)) == {"certificate_not_yet_valid": Severity.PROBLEM}
    assert judged(facts.not_after - timedelta(days=3))["certificate_expires"] is Severity.WARNING
    assert "certificate_names" not in judged(good, "PBX.example.com", "a.phones.example.com")
    assert judged(good, "a.b.phones.example.com")["certificate_names"] is Severity.WARNING
    assert judged(good, "192.0.2.1")["certificate_names"] is Severity.WARNING


def test_files_that_are_no_certificate_or_show_their_key_are_told(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for file in (tmp_path / "junk.pem", tmp_path / "missing.pem"):
        assert codes(certificates.examine(certificates.gather(file), (), NOW)) == {
            "certificate_unreadable": Severity.PROBLEM
        }
    shown = Authority.make(tmp_path).issue(tmp_path / "pbx.pem", "pbx")
    shown.chmod(0o644)
    assert "key_exposed" in codes(certificates.examine(certificates.gather(shown), (), NOW))


# Trunks.


HOST = trunks.HostFacts("sip.example.net:5060", ("udp:192.0.2.1:5060",), "reachable")
LOST = trunks.HostFacts("old.example.net", ())
DEAD = trunks.HostFacts("192.0.2.9:5060", ("udp:192.0.2.9:5060",), "unreachable", "408 Request Timeout")


@pytest.mark.parametrize(
    ("trunk", "told"),
    [
        (trunks.TrunkFacts("c", True, (HOST,), "registered"), {"trunk_works": Severity.OK}),
        (trunks.TrunkFacts("c", True, (HOST,)), {"trunk_works": Severity.OK}),
        (trunks.TrunkFacts("c", True, (LOST,), "unreachable"), {"name_unknown": Severity.PROBLEM}),
        (trunks.TrunkFacts("c", True, (HOST, LOST), "reachable"), {"name_unknown": Severity.WARNING}),
        (
            trunks.TrunkFacts("c", True, (DEAD,), "unreachable", "408 Request Timeout"),
            {"trunk_unreachable": Severity.PROBLEM},
        ),
        (trunks.TrunkFacts("c", True, (HOST, DEAD), "reachable"), {"host_unreachable": Severity.WARNING}),
        (trunks.TrunkFacts("c", True, (HOST,), "refused", "403 Forbidden"), {"trunk_refused": Severity.PROBLEM}),
        (trunks.TrunkFacts("c", True, (HOST,), "unknown"), {"trunk_unknown": Severity.NOTE}),
        (trunks.TrunkFacts("c", True, (HOST,), "unknown", asked=False), {"trunk_works": Severity.OK}),
        (trunks.TrunkFacts("c", True, (HOST,), "reachable", routes=0), {"trunk_unused": Severity.NOTE}),
        (trunks.TrunkFacts("c", False, ()), {"trunk_disabled": Severity.NOTE}),
    ],
)
def test_a_trunk_that_does_not_work_is_told_with_the_reason(
    trunk: trunks.TrunkFacts, told: dict[str, Severity]
) -> None:
    findings = trunks.examine([trunk], ["127.0.0.1"])
    assert codes(findings) == told
    assert trunk.reason in findings[0].message
    assert trunks.examine([], ["127.0.0.1"])[0].code == "no_trunks"


def test_a_trunk_of_the_family_that_sip_has_no_address_of_is_told() -> None:
    host = trunks.HostFacts("::7", ("udp:[::7]:5060",), "unreachable", "503 Service Unavailable")
    six = [trunks.TrunkFacts("six", True, (host,), "unreachable", "503 Service Unavailable")]
    (finding,) = trunks.examine(six, ["192.0.2.1"])
    assert (finding.code, finding.about) == ("trunk_other_family", "six")
    assert "IPv6" in finding.message
    assert "RAMAL_SIP_LISTEN" in finding.advice
    assert codes(trunks.examine(six, ["192.0.2.1", "::1"])) == {"trunk_unreachable": Severity.PROBLEM}
    four = [trunks.TrunkFacts("four", True, (HOST,), "reachable")]
    assert codes(trunks.examine(four, ["::1"])) == {"trunk_other_family": Severity.PROBLEM}
    assert codes(trunks.examine(four, ["::"])) == {"trunk_works": Severity.OK}


# Phones.


def test_phones_that_are_gone_or_come_and_go_are_named() -> None:
    clock = ManualClock()
    losses = RegistrationLosses(clock)
    for _ in range(2):
        losses.note("1001")
        clock.advance(20 * 3600)
    for name in ("1002", "1003", "1003", "1003"):
        losses.note(name)

    def login(username: str, contacts: int) -> registrations.LoginFacts:
        lost = losses.of(username)
        return registrations.LoginFacts(username, username, contacts, len(lost), lost[-1] if lost else None)

    # What 1001 lost first was more than a day ago.
    assert len(losses.of("1001")) == 1
    findings = registrations.examine([login("1001", 1), login("1002", 0), login("1003", 1), login("1004", 0)])
    assert {(finding.code, finding.about) for finding in findings} == {
        ("phone_flaps", "1003"),
        ("phone_gone", "1002"),
        ("extensions_without_phone", "1004"),
    }
    assert worst(findings) is Severity.WARNING
    assert codes(registrations.examine([login("1001", 2)])) == {"phones_registered": Severity.OK}
    assert codes(registrations.examine([])) == {"no_extensions": Severity.NOTE}


# Storage.


def test_a_folder_that_is_full_open_or_not_ours_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    facts = storage.gather(tmp_path)
    assert facts.writable
    assert "folder_open" not in codes(storage.examine(facts))
    full = storage.StorageFacts(
        tmp_path, exists=True, writable=False, mode=0o755, free_bytes=100 << 20, total_bytes=9 << 30
    )
    assert codes(storage.examine(full)) == {
        "folder_not_writable": Severity.PROBLEM,
        "folder_open": Severity.WARNING,
        "disk_full": Severity.PROBLEM,
    }
    assert codes(storage.examine(storage.gather(tmp_path / "nowhere"))) == {"no_folder": Severity.NOTE}


# Models.


def test_a_model_that_a_setting_names_and_that_is_not_there_is_told(tmp_path: Path) -> None:
    def found(**named: str) -> dict[str, Severity]:
        return codes(models.examine(load_settings(environment={"RAMAL_" + name: path for name, path in named.items()})))

    detector = tmp_path / "yunet.onnx"
    assert found() == {}
    assert found(SPEECH_VOSK_MODEL=str(tmp_path / "nowhere"), FACES_DETECTOR_MODEL=str(detector)) == {
        "speech_model_unusable": Severity.PROBLEM,
        "detector_missing": Severity.PROBLEM,
    }
    assert found(SPEECH_VOSK_MODEL=str(tmp_path)) == {"speech_model_unusable": Severity.PROBLEM}
    for name in ("am/final.mdl", "conf/mfcc.conf", "graph/HCLG.fst"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    detector.touch()
    assert found(SPEECH_VOSK_MODEL=str(tmp_path), FACES_DETECTOR_MODEL=str(detector)) == {
        "speech_model": Severity.OK,
        "detector": Severity.OK,
    }


# Work.


def test_what_stands_still_or_lags_is_told() -> None:
    facts = work.WorkFacts(
        conditions={"journal": "ok", "consumer cdrs": "stands still 7 facts behind; the log tells why"},
        lags={"billing": 20_000, "cdrs": 3},
        longest_pause=1.5,
        trace_dropped=4,
        kept_out=2,
        open_files=1024,
        files_needed=10_500,
    )
    assert codes(work.examine(facts)) == {
        "part_failing": Severity.PROBLEM,
        "consumer_behind": Severity.WARNING,
        "loop_pause": Severity.NOTE,
        "trace_dropped": Severity.NOTE,
        "bans": Severity.NOTE,
        "few_open_files": Severity.WARNING,
    }
    assert codes(work.examine(work.WorkFacts(conditions={"journal": "ok"}))) == {"work_done": Severity.OK}


# All of them.


def test_findings_are_shown_with_what_to_do_and_counted() -> None:
    findings = [
        ok("ports", "a", "Fine."),
        Finding("dns", Severity.PROBLEM, "b", "Bad.", "Mend it."),
        Finding("x", Severity.NOTE, "c", "So."),
    ]
    assert as_text(findings).splitlines() == [
        "ok       ports  Fine.",
        "PROBLEM  dns    Bad.",
        "                -> Mend it.",
        "note     x      So.",
        "1 problem, 1 note.",
    ]
    assert as_text(findings[:1]).endswith("All is well.")
