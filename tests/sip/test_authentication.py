"""Digest authentication: who may pass, and who is told nothing about why not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.authentication import (
    Algorithm,
    Denied,
    DigestAuthenticator,
    HA1s,
    Missing,
    Stale,
    Verdict,
    Verified,
    authorise,
)
from sip.errors import MalformedMessageError, UnusableChallengeError
from sip.headers import parse_pairs
from sip.message import Request
from sip.nonces import Nonces
from sip.uri import Uri

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
URI = Uri("sip", "1002", "ramal.example")
USERS = {"1001": HA1s.derive("1001", "ramal", "s3cret"), 'o"neil': HA1s.derive('o"neil', "ramal", "s3cret")}


def authenticator(remembered_nonces: int = 100) -> DigestAuthenticator:
    return DigestAuthenticator("ramal", b"0123456789abcdef", remembered_nonces=remembered_nonces)


def verify(
    server: DigestAuthenticator,
    value: str,
    *,
    now: datetime = NOW,
    method: str = "INVITE",
    uri: Uri = URI,
    host: str = "",
) -> Verdict:
    return server.verify(value, method, uri, USERS.get, now, host)


def answer(challenges: list[str], username: str = "1001", password: str = "s3cret", nonce_count: int = 1) -> str:  # noqa: S107
    return authorise(challenges, username, password, "INVITE", URI, nonce_count=nonce_count)


def test_the_digests_are_those_of_rfc_7616() -> None:
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    challenge = f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={{}}, nonce="{nonce}"'
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    for algorithm, expected in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        value = authorise(
            [challenge.format(algorithm)], "Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce=cnonce
        )
        assert f'response="{expected}"' in value


def test_the_digest_by_sha_512_256_is_that_of_rfc_7616_as_erratum_4897_has_it() -> None:
    value = authorise(
        [
            'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
            'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
            'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
        ],
        "J\u00e4s\u00f8n Doe",
        "Secret, or not?",
        "GET",
        "/doe.json",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in value
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in value
    assert 'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"' in value
    assert value.endswith("userhash=true")


@pytest.mark.parametrize("qop", ["", "auth", "auth-int"])
@pytest.mark.parametrize(
    ("algorithm", "name"),
    [("MD5", "md5"), ("SHA-256", "sha256"), ("SHA-512-256", "sha512_256"), ("md5", "md5"), ("sha-256", "sha256")],
)
@pytest.mark.parametrize("session", ["", "-sess", "-SESS"])
def test_a_carrier_that_asks_by_any_algorithm_of_the_rfcs_is_answered(
    algorithm: str, name: str, session: str, qop: str
) -> None:
    challenge = f'Digest realm="carrier", nonce="n0nce", algorithm={algorithm}{session}'
    challenge += f', qop="{qop}"' if qop else ""
    value = authorise([challenge], "us", "s3cret", "INVITE", URI, b"v=0\r\n", cnonce="c1ient", nonce_count=2)

    def digest(*parts: str) -> str:
        """Return the hash of parts with colons between them, as RFC 7616 section 3.4 writes them."""
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    secret = digest("us", "carrier", "s3cret")
    if session:
        secret = digest(secret, "n0nce", "c1ient")
    what = digest("INVITE", str(URI), *([digest("v=0\r\n")] if qop == "auth-int" else []))
    middle = ("00000002", "c1ient", qop) if qop else ()
    assert f'response="{digest(secret, "n0nce", *middle, what)}"' in value
    assert f"algorithm={algorithm.upper()}{session.lower()}" in value
    assert ("nc=00000002" in value) == ("qop=" in value) == bool(qop)
    assert ('cnonce="c1ient"' in value) == bool(qop or session)


def test_the_strongest_challenge_that_can_be_met_is_answered_wherever_it_stands() -> None:
    asked = ["SHA3-256", "MD5", "MD5-sess", "SHA-256-sess", "SHA-512-256", "SHA-256"]
    challenges = [f'Digest realm="r", nonce="{name}", algorithm={name}, qop="auth"' for name in asked]
    challenges[4] = challenges[4].replace('"auth"', '"auth-conf"')
    assert 'nonce="SHA-256-sess"' in answer(challenges)
    assert 'nonce="SHA-256"' in answer(challenges[::-1])
    assert 'nonce="MD5"' in answer(challenges[:3])


def test_a_phone_that_answers_by_an_algorithm_that_it_was_not_asked_for_does_not_pass() -> None:
    server = authenticator()
    for algorithm in ("MD5-sess", "SHA-256-sess", "SHA-512-256"):
        asked = server.challenge(NOW)[0].replace("algorithm=MD5", f"algorithm={algorithm}")
        assert verify(server, answer([asked])) == Denied("1001")


@pytest.mark.parametrize("username", ["1001", 'o"neil'])
@pytest.mark.parametrize("algorithm", [Algorithm.SHA_256, Algorithm.MD5])
def test_the_right_password_passes_by_both_algorithms(username: str, algorithm: Algorithm) -> None:
    server = authenticator()
    challenges = [value for value in server.challenge(NOW) if f"algorithm={algorithm}," in value]
    assert verify(server, answer(challenges, username)) == Verified(username)


@pytest.mark.parametrize(
    ("user_agent", "asked"),
    [
        ("", ["MD5", "SHA-256"]),
        ("Asterisk PBX 22.10.1", ["MD5", "SHA-256"]),
        ("LinphoneDaemon/5.1.64", ["SHA-256", "MD5"]),
        ("Linphone Desktop/4.2.5 (belle-sip/4.4.0)", ["SHA-256", "MD5"]),
        ("Linphone/3.5.2 (eXosip2/3.6.0)", ["MD5", "SHA-256"]),
        ("LinphoneAndroid/3.3.2 (belle-sip/1.6.3)", ["MD5", "SHA-256"]),
        ("Linphone Desktop/4.1.1 (belle-sip/1.6.3)", ["MD5", "SHA-256"]),
        ("baresip v1.0.0 (x86_64/Linux)", ["MD5"]),
        ("baresip v3.10.1 (x86_64/Linux)", ["MD5"]),
        ("baresip v3.11.0 (x86_64/Linux)", ["MD5", "SHA-256"]),
    ],
)
def test_every_phone_is_asked_in_the_order_that_it_copes_with(user_agent: str, asked: list[str]) -> None:
    challenges = authenticator().challenge(NOW, user_agent=user_agent)
    assert [value.partition("algorithm=")[2].partition(",")[0] for value in challenges] == asked


def test_a_browser_is_asked_for_md5_last_because_it_takes_the_last_challenge_for_the_only_one() -> None:
    challenges = authenticator().challenge(NOW, user_agent="JsSIP 3.13.8", browser=True)
    assert ["MD5" in challenge for challenge in challenges] == [False, True]


def test_an_operator_may_insist_on_one_algorithm() -> None:
    server = DigestAuthenticator("ramal", b"0123456789abcdef", (Algorithm.SHA_256,))
    challenges = server.challenge(NOW, user_agent="baresip v1.0.0")
    assert ["algorithm=SHA-256" in value for value in challenges] == [True]
    assert verify(server, answer(authenticator().challenge(NOW)[:1])) == Denied("1001")


def test_of_two_challenges_the_stronger_is_answered() -> None:
    challenges = authenticator().challenge(NOW)
    assert "algorithm=SHA-256" in answer(challenges)
    assert "algorithm=SHA-256" in answer(challenges[::-1])


def test_a_wrong_password_and_an_unknown_user_look_the_same() -> None:
    server = authenticator()
    challenges = server.challenge(NOW)
    assert verify(server, answer(challenges, password="wrong")) == Denied("1001")
    assert verify(server, answer(challenges, username="9999")) == Denied("9999")


def test_no_user_is_found_by_guessing_the_secret_less_digest_of_nobody() -> None:
    server = authenticator()
    value = answer(server.challenge(NOW), username="", password="")
    assert verify(server, value) == Denied("")


def test_credentials_are_good_for_one_use_of_a_count_in_any_order() -> None:
    server = authenticator()
    challenges = server.challenge(NOW)
    counted = {count: answer(challenges, nonce_count=count) for count in (1, 2, 3, 200)}
    assert verify(server, counted[3]) == Verified("1001")
    assert verify(server, counted[1]) == Verified("1001")
    assert verify(server, counted[1]) == Stale("1001")
    assert verify(server, counted[3]) == Stale("1001")
    assert verify(server, counted[200]) == Verified("1001")
    assert verify(server, counted[2]) == Stale("1001")


@pytest.mark.parametrize("count", ["1", "0a", "0000001", "00000001"])
def test_a_count_is_taken_without_its_leading_zeros_and_still_good_for_one_use(count: str) -> None:
    server = authenticator()
    challenges = server.challenge(NOW)
    assert verify(server, counted(challenges, count)) == Verified("1001")
    for spelling in (count, count.lstrip("0"), count.zfill(8)):
        assert verify(server, counted(challenges, spelling)) == Stale("1001")


@pytest.mark.parametrize("count", ["", "000000001", "-1", "+1", "0x1", "1_0", "1 ", "xyz"])
def test_what_is_no_count_does_not_pass(count: str) -> None:
    server = authenticator()
    assert verify(server, counted(server.challenge(NOW), count)) == Denied("1001")


def counted(challenges: list[str], count: str) -> str:
    """Answer a challenge as a phone that writes `nc` in its own way."""
    nonce = challenges[0].partition('nonce="')[2].partition('"')[0]
    ha1 = Algorithm.MD5.hash("1001:ramal:s3cret")
    ha2 = Algorithm.MD5.hash(f"INVITE:{URI}")
    response = Algorithm.MD5.hash(f"{ha1}:{nonce}:{count}:c:auth:{ha2}")
    return (
        f'Digest username="1001", realm="ramal", nonce="{nonce}", uri="{URI}", algorithm=MD5, '
        f'qop=auth, nc="{count}", cnonce="c", response="{response}"'
    )


def test_an_old_nonce_is_stale_and_tells_nobody_whether_the_password_is_right() -> None:
    server = authenticator()
    challenges = server.challenge(NOW)
    late = NOW + timedelta(seconds=301)
    assert verify(server, answer(challenges), now=late) == Stale("1001")
    assert verify(server, answer(challenges, password="wrong"), now=late) == Stale("1001")
    assert verify(server, answer(challenges, username="9999"), now=late) == Stale("9999")
    assert all("stale=true" in value for value in server.challenge(late, stale=True))


def test_a_nonce_of_another_server_is_stale() -> None:
    other = DigestAuthenticator("ramal", b"another secret of it")
    assert verify(authenticator(), answer(other.challenge(NOW))) == Stale("1001")
    forged = answer([value.replace('nonce="', 'nonce="x') for value in other.challenge(NOW)])
    assert verify(authenticator(), forged) == Stale("1001")


def test_a_nonce_is_good_at_the_address_that_it_was_given_to() -> None:
    server = authenticator()
    value = answer(server.challenge(NOW, host="192.0.2.1"))
    assert verify(server, value, host="192.0.2.2") == Stale("1001")
    assert verify(server, value, host="192.0.2.1") == Verified("1001")
    roaming = answer(server.challenge(NOW, host="2001:db8:0:1::5"))
    assert verify(server, roaming, host="2001:db8:0:2::5") == Stale("1001")
    assert verify(server, roaming, host="2001:db8:0:1:aaaa::9") == Verified("1001")


def test_a_nonce_of_another_realm_is_stale() -> None:
    other = DigestAuthenticator("elsewhere", b"0123456789abcdef")
    challenges = [value.replace("elsewhere", "ramal") for value in other.challenge(NOW)]
    assert verify(authenticator(), answer(challenges)) == Stale("1001")


def test_a_nonce_from_before_a_restart_is_stale_for_nobody_knows_how_often_it_was_used() -> None:
    value = answer(authenticator().challenge(NOW))
    restarted = DigestAuthenticator("ramal", b"0123456789abcdef", since=NOW + timedelta(seconds=1))
    assert verify(restarted, value, now=NOW + timedelta(seconds=2)) == Stale("1001")


def test_counts_are_forgotten_when_their_nonces_are_too_old() -> None:
    nonces = Nonces("ramal", b"0123456789abcdef", seconds=300, remembered=1000)
    for second in range(0, 3000, 10):
        nonce = nonces.make("192.0.2.1", second)
        stamp = nonces.fresh(nonce, "192.0.2.1", second)
        assert stamp
        assert nonces.use(stamp, 1, second)
        assert nonces.held <= 40


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_nonce(text: str) -> None:
    nonces = Nonces("ramal", b"0123456789abcdef", seconds=300, remembered=10)
    good = nonces.make("192.0.2.1", 1000)
    for nonce in (text, text + good[len(text) :], good[: len(text)] + " " * (48 - len(text)), good.upper()[:-1] + "x"):
        assert nonce == good or not nonces.fresh(nonce, "192.0.2.1", 1000)


def test_forgotten_counts_cannot_be_replayed() -> None:
    server = authenticator(remembered_nonces=2)
    used = []
    for _ in range(3):
        used.append(answer(server.challenge(NOW)))
        assert verify(server, used[-1]) == Verified("1001")
    assert [verify(server, value) for value in used] == [Stale("1001")] * 3
    later = NOW + timedelta(seconds=1)
    assert verify(server, answer(server.challenge(later)), now=later) == Verified("1001")


@pytest.mark.parametrize("name", ["Authorization: ", "proxy-authorization:  "])
def test_credentials_behind_the_name_of_their_header_are_read(name: str) -> None:
    server = authenticator()
    assert verify(server, name + answer(server.challenge(NOW))) == Verified("1001")
    assert verify(server, name + "Basic MTAwMTpzM2NyZXQ=") == Denied("")


def test_credentials_for_one_call_do_not_open_another() -> None:
    server = authenticator()
    value = answer(server.challenge(NOW))
    assert verify(server, value, method="REGISTER") == Denied("1001")
    assert verify(server, value, uri=Uri("sip", "premium", "ramal.example")) == Denied("1001")
    assert verify(server, value, uri=Uri("sip", "1002", "10.0.0.1", 5060)) == Verified("1001")


def test_credentials_for_the_bare_server_open_any_call_once() -> None:
    server = authenticator()
    value = authorise(server.challenge(NOW), "1001", "s3cret", "INVITE", "sip:10.0.0.1:5060")
    assert [verify(server, value), verify(server, value)] == [Verified("1001"), Stale("1001")]


@pytest.mark.parametrize(
    ("signed", "passes"),
    [
        ("sip:::1:5060", True),
        ("sips:2001:db8::1", True),
        ("sip:1002@::1:5060", True),
        ("sip:premium@::1:5060", False),
        ("tel:::1", False),
        ("::1", False),
    ],
)
def test_credentials_for_an_address_without_its_brackets_open_calls_like_those_with_them(
    signed: str, passes: bool
) -> None:
    server = authenticator()
    value = authorise(server.challenge(NOW), "1001", "s3cret", "INVITE", signed)
    assert verify(server, value) == (Verified("1001") if passes else Denied("1001"))


def test_a_phone_without_qop_passes_once_per_nonce() -> None:
    server = authenticator()
    value = answer([challenge.replace(', qop="auth"', "") for challenge in server.challenge(NOW)])
    assert "qop" not in value
    assert verify(server, value) == Verified("1001")
    assert verify(server, value) == Stale("1001")


def test_the_header_of_the_own_realm_is_picked_out_of_a_request() -> None:
    server = authenticator()
    request = Request("INVITE", URI, [])
    assert server.verify_request(request, USERS.get, NOW) == Missing()
    request.add("Proxy-Authorization", 'Digest realm="elsewhere", username="x"')
    assert server.verify_request(request, USERS.get, NOW, proxy=True) == Missing()
    request.add("Proxy-Authorization", answer(server.challenge(NOW)))
    assert server.verify_request(request, USERS.get, NOW, proxy=True) == Verified("1001")


def test_a_peer_that_insists_on_integrity_gets_it() -> None:
    value = authorise(['Digest realm="r", nonce="n", qop="auth-int", opaque="o"'], "u", "p", "INVITE", URI, b"v=0")
    assert "qop=auth-int" in value
    assert 'opaque="o"' in value


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Basic realm=x",
        "Digest realm",
        'Digest realm="r", nonce="n", algorithm=SHA3-256',
        'Digest realm="r", nonce="n", algorithm=-sess',
        'Digest realm="r", nonce="n", qop="auth-conf"',
    ],
)
def test_a_challenge_that_cannot_be_met_is_told(challenge: str) -> None:
    with pytest.raises(UnusableChallengeError):
        answer([challenge])


@given(st.text(max_size=200), st.integers(0, 250))
def test_no_header_makes_the_check_fall_or_pass(junk: str, place: int) -> None:
    server = authenticator()
    good = answer(server.challenge(NOW))
    response = good.partition('response="')[2].partition('"')[0]
    for value in (junk, "Digest " + junk, good[:place] + junk, junk + good[place:], good[:place] + junk + good[place:]):
        verdict = verify(server, value)
        # A backslash before a character in quotes means that character.
        assert isinstance(verdict, Denied | Stale) or response in value.replace("\\", "")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('a=b,C = "d, e"', {"a": "b", "c": "d, e"}),
        ('a="",b=', {"a": "", "b": ""}),
        (r'a="x\"y",b=1', {"a": 'x"y', "b": "1"}),
        ("", {}),
    ],
)
def test_pairs_are_read_as_phones_write_them(text: str, pairs: dict[str, str]) -> None:
    assert parse_pairs(text) == pairs


@pytest.mark.parametrize("text", ["a=b c=d", "a=b,,c=d", "a=b,A=c", 'a="b', 'a="b"c', "é=1", "a"])
def test_what_is_no_list_of_pairs_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        parse_pairs(text)
