"""Dialogs: which way requests go, also behind NAT, and in which order they are taken."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.dialog import Dialog, reach
from sip.errors import MalformedMessageError
from sip.message import Request, response_to
from sip.uri import Uri

SOURCE = Address("203.0.113.7", 40001)
PUBLIC = Address("198.18.0.1", 5060)


def invite(*headers: tuple[str, str], contact: str = "<sip:alice@192.168.1.5:5062>") -> Request:
    lines = [
        ("Via", "SIP/2.0/UDP 192.168.1.5:5062;branch=z9hG4bK1"),
        ("From", '"A" <sip:alice@example.com>;tag=a'),
        ("To", "<sip:bob@example.com>"),
        ("Call-ID", "c1"),
        ("CSeq", "7 INVITE"),
        *headers,
    ]
    return Request("INVITE", "sip:bob@example.com", [*lines, ("Contact", contact)] if contact else lines)


@pytest.mark.parametrize(
    ("target", "source", "symmetric", "expected"),
    [
        # A private Contact behind a public address: NAT.
        ("sip:a@192.168.1.5:5062", SOURCE, False, SOURCE),
        ("sip:a@100.64.3.3", SOURCE, False, SOURCE),
        # A browser's Contact means nothing anywhere.
        ("sip:a@x7k2.invalid;transport=ws", Address("10.1.1.1", 50000, "ws"), False, Address("10.1.1.1", 50000, "ws")),
        # A trunk whose calls are handled by another machine of its.
        ("sip:8.8.4.4:5080", Address("8.8.8.8", 5060), False, Address("8.8.4.4", 5080)),
        ("sip:8.8.4.4:5080", Address("8.8.8.8", 5060), True, Address("8.8.8.8", 5060)),
        # The same public host: only the port it sends from is mapped.
        ("sip:a@8.8.8.8:5060", Address("8.8.8.8", 40001), False, Address("8.8.8.8", 40001)),
        # The same private host: no NAT in between, the Contact is right.
        ("sip:a@10.0.0.1:5070", Address("10.0.0.1", 5060), False, Address("10.0.0.1", 5070)),
        # A connection is used again.
        ("sip:a@10.0.0.1;transport=tcp", Address("10.0.0.1", 51000, "tcp"), False, Address("10.0.0.1", 51000, "tcp")),
        # A name without a port is the DNS's to resolve.
        ("sip:a@pbx.example.com;transport=tcp", SOURCE, False, Address("pbx.example.com", 0, "tcp")),
        ("sip:a@pbx.example.com:5060", SOURCE, False, Address("pbx.example.com", 5060)),
        ("sips:a@pbx.example.com", SOURCE, False, Address("pbx.example.com", 0, "tls")),
        ("tel:+74951234567", SOURCE, False, SOURCE),
    ],
)
def test_where_a_contact_is_reached(target: str, source: Address, symmetric: bool, expected: Address) -> None:
    assert reach(Uri.parse(target), source, symmetric=symmetric) == expected


def test_the_servers_dialog_answers_along_the_recorded_route_in_its_order() -> None:
    dialog = Dialog.as_server(
        invite(("Record-Route", "<sip:p2.example;lr>"), ("Record-Route", "<sip:p1.example;lr>")), "b", SOURCE
    )
    request = dialog.request("BYE")
    assert request.get_list("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
    assert str(request.uri) == "sip:alice@192.168.1.5:5062"
    assert request.get("From") == "<sip:bob@example.com>;tag=b"
    assert request.get("To") == '"A" <sip:alice@example.com>;tag=a'
    assert request.cseq == (1, "BYE")
    assert dialog.next_hop == Address("p2.example", 0)


def test_the_clients_dialog_goes_the_recorded_route_backwards() -> None:
    routes = [("Record-Route", "<sip:p2.example;lr>, <sip:p1.example:5070;lr>")]
    response = response_to(invite(*routes), 200, to_tag="b", headers=[("Contact", "<sip:bob@10.0.0.2>")])
    dialog = Dialog.as_client(invite(), response, SOURCE)
    request = dialog.request("BYE")
    assert request.get_list("Route") == ["<sip:p1.example:5070;lr>", "<sip:p2.example;lr>"]
    assert request.cseq == (8, "BYE")
    assert dialog.next_hop == Address("p1.example", 5070)


def test_a_strict_router_becomes_the_request_uri() -> None:
    dialog = Dialog.as_server(invite(("Record-Route", "<sip:old.example>")), "b", SOURCE)
    request = dialog.request("BYE")
    assert str(request.uri) == "sip:old.example"
    assert request.get_list("Route") == ["<sip:alice@192.168.1.5:5062>"]


def test_requests_out_of_order_are_not_taken() -> None:
    dialog = Dialog.as_server(invite(), "b", SOURCE)
    later = invite()
    later.set("CSeq", "9 BYE")
    assert dialog.accepts(later)
    assert not dialog.accepts(invite())
    assert dialog.remote_cseq == 9


def test_an_ack_has_the_number_of_its_invite_and_counts_nothing() -> None:
    dialog = Dialog.as_server(invite(), "b", SOURCE)
    assert dialog.request("ACK", cseq=5).cseq == (5, "ACK")
    assert dialog.next_cseq() == 1


def test_an_invite_without_contact_is_reached_at_its_from() -> None:
    dialog = Dialog.as_server(invite(contact=""), "b", SOURCE)
    assert dialog.remote_target == invite().from_.uri


def test_a_2xx_without_contact_is_reached_at_the_request_uri() -> None:
    dialog = Dialog.as_client(invite(), response_to(invite(), 200, to_tag="b"), SOURCE)
    assert str(dialog.remote_target) == "sip:bob@example.com"


def test_a_record_route_that_nobody_can_follow_is_refused_at_once() -> None:
    with pytest.raises(MalformedMessageError):
        Dialog.as_server(invite(("Record-Route", "<sip:p1.example;lr")), "b", SOURCE)
