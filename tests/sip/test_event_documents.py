"""The documents of the event packages: what is written can be read by others, what is read can do no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.dialog_info import DialogDirection, DialogState, WatchedDialog, WatchedParty, dialog_info
from sip.errors import MalformedMessageError
from sip.message_summary import MailboxCounts, message_summary
from sip.presence_document import PresenceState, parse_presence, presence_document
from sip.xml import MAX_BYTES, parse_xml

RINGING = WatchedDialog(
    "d1",
    DialogState.EARLY,
    DialogDirection.RECIPIENT,
    "call@1",
    "here",
    "there",
    local=WatchedParty("sip:1002@example.com", holds=True),
    remote=WatchedParty("sip:1001@example.com", 'Ana "the <boss>" & co'),
)


def test_dialogs_are_told_with_their_parties_and_what_a_pick_up_needs() -> None:
    root = parse_xml(dialog_info("sip:1002@example.com", 3, [RINGING]))
    assert (root.namespace, root.name) == ("urn:ietf:params:xml:ns:dialog-info", "dialog-info")
    assert root.attributes == {"version": "3", "state": "full", "entity": "sip:1002@example.com"}
    (dialog,) = root.all("dialog")
    assert dialog.attributes == {
        "id": "d1",
        "call-id": "call@1",
        "local-tag": "here",
        "remote-tag": "there",
        "direction": "recipient",
    }
    assert [state.text for state in dialog.all("state")] == ["early"]
    local, remote = dialog.first("local"), dialog.first("remote")
    assert local is not None
    assert remote is not None
    assert [parameter.attributes for parameter in local.all("param")] == [{"pname": "+sip.rendering", "pvalue": "no"}]
    assert [(one.text, one.attributes["display"]) for one in remote.all("identity")] == [
        ("sip:1001@example.com", 'Ana "the <boss>" & co')
    ]


def test_what_is_not_told_of_a_dialog_is_not_there() -> None:
    text = dialog_info("sip:1@x", 0, [WatchedDialog("d", DialogState.TERMINATED)]).decode()
    assert '<dialog id="d">' in text
    assert "remote" not in text
    assert "call-id" not in text


def test_a_mailbox_tells_new_and_old_messages() -> None:
    assert message_summary("sip:1001@x", MailboxCounts(2, 8, 1, 0)).decode().split("\r\n") == [
        "Messages-Waiting: yes",
        "Message-Account: sip:1001@x",
        "Voice-Message: 2/8 (1/0)",
        "",
    ]
    assert message_summary("sip:1001@x", MailboxCounts(old=5)).startswith(b"Messages-Waiting: no\r\n")


_NOTES = st.text(st.characters(exclude_categories=["C"]) | st.sampled_from("\t\n\x01"), max_size=80)


@given(st.booleans(), st.sampled_from(["", "away", "on-the-phone", "meeting"]), _NOTES)
def test_presence_comes_back_as_it_was_written(reachable: bool, activity: str, note: str) -> None:
    document = presence_document("sip:1001@x", PresenceState(reachable, activity, note))
    read = parse_presence(document)
    assert (read.open, read.activity) == (reachable, activity)
    assert (
        read.note == " ".join("".join(c for c in note if c.isprintable() or c in "\t\n\r").split())
        or not note.isascii()
    )


def test_the_presence_of_a_real_phone_is_read() -> None:
    body = b"""<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
 xmlns:pp="urn:ietf:params:xml:ns:pidf:person" entity="sip:1001@x">
 <pp:person><status><rpid:activities><rpid:unknown/><rpid:away/></rpid:activities></status></pp:person>
 <tuple id="a"><status><basic>closed</basic></status></tuple>
 <tuple id="b"><status><basic> Open </basic></status><note xml:lang="en"> at
   lunch </note></tuple></presence>"""
    assert parse_presence(body) == PresenceState(open=True, activity="away", note="at lunch")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<presence>",
        b"\xff\xfe",
        b"<other/>",
        b"<presence/>" * 2,
        b'<?xml version="1.0" encoding="nonsense"?><presence/>',
        b'<!DOCTYPE presence [<!ENTITY a "aaaa">]><presence>&a;</presence>',
        b'<!DOCTYPE presence SYSTEM "file:///etc/passwd"><presence/>',
        b"<presence>&undefined;</presence>",
        b"<presence>" + b"<a>" * 30 + b"</a>" * 30 + b"</presence>",
        b"<presence>" + b"<a/>" * 600 + b"</presence>",
        b"<presence>" + b" " * MAX_BYTES + b"</presence>",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_what_is_no_harmless_presence_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_presence(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    try:
        parse_xml(body)
    except MalformedMessageError:
        return


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_breaks_out_of_the_document(name: str, uri: str) -> None:
    party = WatchedParty(uri, name)
    root = parse_xml(dialog_info("sip:1@x", 0, [WatchedDialog("d", DialogState.EARLY, remote=party)]))
    assert len(list(root.all("dialog"))) == 1
