"""A transaction layer alone, with its wire and its user under the eye of a test, on a clock that moves only when told to."""

from __future__ import annotations

from core.clock import ManualClock
from sip.address import Address
from sip.message import Request, Response, response_to
from sip.parser import parse_message
from sip.timers import TimerHeap
from sip.transaction import ClientTransaction
from sip.transaction_layer import TransactionLayer

UDP = Address("10.0.0.2", 5060, "udp")
TCP = Address("10.0.0.2", 5060, "tcp")


class Bench:
    """One transaction layer with its wire and its user under the eye of the test."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.timers = TimerHeap(self.clock)
        self.sent: list[tuple[float, str]] = []
        self.responses: list[int] = []
        self.layer = TransactionLayer(self.timers, self._send)

    def _send(self, data: bytes, destination: Address) -> None:
        message = parse_message(data)
        what = message.method if isinstance(message, Request) else str(message.status)
        self.sent.append((round(self.clock.monotonic(), 1), what))

    def _responded(self, response: Response, _transaction: ClientTransaction) -> None:
        self.responses.append(response.status)

    def run(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (moment := self.timers.next_deadline) is not None and moment <= end:
            self.clock.advance(max(moment - self.clock.monotonic(), 0) + 1e-9)
            self.timers.run_due()
        self.clock.advance(max(end - self.clock.monotonic(), 0))

    def client(self, method: str, destination: Address = UDP) -> ClientTransaction:
        return self.layer.send_request(request(method), destination, self._responded, sent_by="10.0.0.1:5060")

    def respond(self, transaction: ClientTransaction, status: int) -> bool:
        return self.layer.receive_response(response_to(transaction.request, status, to_tag="b"))

    def times(self, what: str) -> list[float]:
        return [time for time, sent in self.sent if sent == what]

    @property
    def empty(self) -> bool:
        return self.layer.live == 0 and self.layer.finished == 0 and len(self.timers) == 0


def request(method: str, *, via: str = "") -> Request:
    headers = [
        ("Max-Forwards", "70"),
        ("From", "<sip:a@10.0.0.1>;tag=a"),
        ("To", "<sip:b@10.0.0.2>"),
        ("Call-ID", "c1"),
        ("CSeq", f"1 {method}"),
        ("Route", "<sip:proxy.example;lr>"),
    ]
    return Request(method, "sip:b@10.0.0.2", [("Via", via), *headers] if via else headers)


def incoming(method: str, branch: str = "z9hG4bK1", **changes: str) -> Request:
    message = request(method, via=f"SIP/2.0/UDP 10.0.0.1:5060;branch={branch}")
    for name, value in changes.items():
        message.set(name, value)
    return message
