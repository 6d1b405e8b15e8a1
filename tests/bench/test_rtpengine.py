"""The control of the relay that is measured beside ours."""

from __future__ import annotations

import socket
import threading

from bench.rtpengine import Rtpengine


def test_a_request_that_is_not_answered_is_sent_again_under_its_cookie() -> None:
    asked: list[bytes] = []

    def answer_the_second(server: socket.socket) -> None:
        for _ in range(2):
            request, client = server.recvfrom(2048)
            asked.append(request)
        server.sendto(b"0 d6:result4:ponge", client)
        server.sendto(request.split()[0] + b" d6:result4:ponge", client)

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        server.bind(("127.0.0.1", 0))
        control.connect(server.getsockname())
        thread = threading.Thread(target=answer_the_second, args=(server,))
        thread.start()
        Rtpengine(0, control).wait_until_ready()
        thread.join()
    assert asked[0] == asked[1]
