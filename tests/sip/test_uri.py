"""URIs and name-addresses: what phones write, and what nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import MalformedMessageError
from sip.uri import NameAddress, Uri, secured

users = st.text(st.characters(exclude_categories=["C"]), max_size=20)
hosts = st.one_of(
    st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), st.sampled_from(["::1", "2001:db8::7", "10.0.0.1"])
)
tokens = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
parameters = st.lists(st.tuples(tokens, st.from_regex(r"[A-Za-z0-9.-]{0,8}", fullmatch=True)), max_size=3).map(tuple)
uris = st.builds(
    Uri,
    st.sampled_from(["sip", "sips"]),
    users,
    hosts,
    st.one_of(st.none(), st.integers(0, 65535)),
    parameters,
    parameters,
)


@given(uris)
def test_a_uri_survives_being_written_and_read(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri


@given(users, uris, parameters)
def test_a_name_address_survives_being_written_and_read(name: str, uri: Uri, tail: tuple[tuple[str, str], ...]) -> None:
    party = NameAddress(name.strip(), uri, tail)
    assert NameAddress.parse(str(party)) == party


@given(st.text())
def test_no_text_makes_the_readers_fall(text: str) -> None:
    for reader in (Uri.parse, NameAddress.parse):
        try:
            reader(text)
        except MalformedMessageError:
            continue


def test_a_uri_is_read_into_its_parts() -> None:
    uri = Uri.parse("sip:%2A21:secret@[2001:DB8::1]:5070;transport=TCP;lr?Replaces=a%40b%3Bto-tag%3D1&X=")
    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == ("sip", "*21", "secret", "2001:db8::1", 5070)
    assert uri.transport == "tcp"
    assert uri.parameter("lr") == ""
    assert uri.parameter("maddr") is None
    assert uri.header("replaces") == "a@b;to-tag=1"


def test_a_user_may_hold_semicolons_and_question_marks() -> None:
    assert Uri.parse("sip:+7495;ext=1?2@example.com").user == "+7495;ext=1?2"


def test_a_telephone_uri_keeps_its_number() -> None:
    uri = Uri.parse("tel:+7-495-123;phone-context=example.com")
    assert (uri.scheme, uri.user, uri.host) == ("tel", "+7-495-123", "")
    assert str(uri) == "tel:+7-495-123;phone-context=example.com"


def test_a_header_put_on_a_uri_comes_back_decoded() -> None:
    uri = Uri.parse("sip:1002@host").with_header("Replaces", "id@h;to-tag=a;from-tag=b")
    assert str(uri).count("@") == 1
    assert Uri.parse(str(uri)).header("Replaces") == "id@h;to-tag=a;from-tag=b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@",
        "1001",
        "sip:a@b:99999",
        "sip::secret@b",
        "sip:a\x19@b",
        "sip:a@b;p=\x7f",
        "sip:a b@c",
        "sip:%ff@h",
        "sip:a@b:c",
        "http:",
        "sip:a@[::1",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        Uri.parse(text)


def test_an_endless_uri_is_answered_414() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        Uri.parse("sip:" + "a" * 5000 + "@h")
    assert caught.value.status == 414


@pytest.mark.parametrize("length", [200, 1000])
def test_a_uri_that_would_be_endless_once_it_is_escaped_is_answered_414(length: int) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        Uri.parse(f"sip:{chr(0x1F600) * length}@example.com")
    assert caught.value.status == 414


@pytest.mark.parametrize(
    ("text", "name", "uri", "tag"),
    [
        ("<sip:a@h>;tag=1", "", "sip:a@h", "1"),
        ("sip:a@h;tag=1", "", "sip:a@h", "1"),
        ('"Ana \\"A\\" <x>" <sip:a@h;x=1>;q=0.5;tag=z', 'Ana "A" <x>', "sip:a@h;x=1", "z"),
        ("Ana Maria   <sip:a@h>", "Ana Maria", "sip:a@h", ""),
        ('"José, o Café" <sip:a@h>', "José, o Café", "sip:a@h", ""),
        ('""<sip:a@h>', "", "sip:a@h", ""),
        ('"a>;tag=b" <sip:a@h>;tag=c', "a>;tag=b", "sip:a@h", "c"),
        ("<sip:a@h>;q=1;tag=z9-1.x", "", "sip:a@h", "z9-1.x"),
        ("<sip:a@h>;tag=1;q=1", "", "sip:a@h", "1"),
        (" <sip:a@h> ;tag=1", "", "sip:a@h", "1"),
        ("sip:a;phone-context=x@h:5070;user=phone;tag=1", "", "sip:a;phone-context=x@h:5070", "1"),
        ("sip:h;tag=1@2", "", "sip:h", "1@2"),
        ('sip:h;p="a@b";tag=1', "", "sip:h", "1"),
    ],
)
def test_parties_are_read_as_phones_write_them(text: str, name: str, uri: str, tag: str) -> None:
    party = NameAddress.parse(text)
    assert (party.display_name, str(party.uri), party.tag) == (name, uri, tag)


@pytest.mark.parametrize("text", ["", "<sip:a@h", '"Ana" sip:a@h', '"Ana <sip:a@h>', "<sip:a@h> x", '"A" b <sip:a@h>'])
def test_what_is_no_party_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        NameAddress.parse(text)


def test_what_stands_in_quotes_behind_an_address_is_no_tag() -> None:
    party = NameAddress.parse('<sip:a@h>;p="x>;tag=1')
    assert (party.tag, party.parameters) == ("", (("p", '"x>;tag=1'),))


def test_the_same_party_is_understood_once_and_its_tag_is_its_own() -> None:
    first, second = NameAddress.parse('"Ana" <sip:a@h>;tag=1'), NameAddress.parse('"Ana" <sip:a@h>;tag=2')
    assert (first.tag, second.tag) == ("1", "2")
    assert first.uri is second.uri
    assert NameAddress.parse("<sip:a@h>") is NameAddress.parse("<sip:a@h>")


def test_a_quoted_parameter_loses_its_quotes_when_asked_for() -> None:
    party = NameAddress.parse('<sip:a@h>;+sip.instance="<urn:uuid:1;2>";expires=60')
    assert party.parameter("+sip.instance") == "<urn:uuid:1;2>"
    assert party.parameter("expires") == "60"


def test_the_same_phone_is_recognised_behind_other_parameters() -> None:
    one = Uri.parse("sip:1001@10.0.0.1:5060;ob")
    assert one.same_target(Uri.parse("sip:1001@10.0.0.1:5060;rinstance=5"))
    assert not one.same_target(Uri.parse("sip:1001@10.0.0.1:5060;transport=tcp"))
    assert not one.same_target(Uri.parse("sip:1001@10.0.0.1"))


@pytest.mark.parametrize("text", ["sip:null-%00-null@example.com", "sip:a%0D%0Ab@example.com", "sip:a:%7F@h"])
def test_escaped_control_characters_stay_escaped(text: str) -> None:
    uri = Uri.parse(text)
    assert (uri.user + uri.password).isprintable()
    assert str(uri) == text


def test_the_contact_of_a_secure_call_is_secure() -> None:
    assert secured("<sip:ana@192.0.2.1:5061;transport=tls>") == "<sips:ana@192.0.2.1:5061;transport=tls>"


@pytest.mark.parametrize("text", ['"A\x04n\\\x00a" <sip:a@h>', "A\x04na\x07 <sip:a@h>", "\x01 Ana <sip:a@h>"])
def test_control_characters_are_taken_out_of_names(text: str) -> None:
    assert NameAddress.parse(text).display_name == "Ana"
