"""The messages of RFC 4475 as datagrams at the whole server: each gets its answer, and the server goes on."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from tests.support.ramal_server import RamalServer

FOLDER = Path(__file__).parents[1] / "sip" / "rfc4475"
ANSWERS = {
    200: "badaspec badbranch baddn lwsdisp semiuri transports trws zeromf",
    400: "badinv01 clerr escruri insuf ltgtruri lwsruri mcl01 mismatch01 mismatch02 multi01 ncl quotbal regbadct "
    "scalar02 unksm2",
    401: "cparam01 cparam02 dblreq escnull regaut01 regescrt",
    406: "sdp01",
    407: "baddate esc01 inv2543 longreq lwsstart mpart01",
    415: "invut",
    416: "novelsc unkscm",
    420: "bext01",
    481: "wsinv",
    501: "esc02 intmeth",
    505: "badvers",
    0: "bcast bigcode noreason scalarlg unreason",
}
"""What a stranger is answered; 0: nothing, for it is a response that nobody waits for."""


async def test_rfc4475_on_the_wire(server: RamalServer) -> None:
    loop = asyncio.get_running_loop()
    expected = {name: status for status, names in ANSWERS.items() for name in names.split()}
    assert sorted(expected) == sorted(path.stem for path in FOLDER.glob("*.dat"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        # Those without an answer go first: if one came, it would be taken for that of the next.
        for name, status in sorted(expected.items(), key=lambda item: item[1]):
            stranger.sendto((FOLDER / f"{name}.dat").read_bytes(), ("127.0.0.1", server.port))
            if status:
                answer = await asyncio.wait_for(loop.sock_recv(stranger, 65_535), 10)
                assert answer.startswith(f"SIP/2.0 {status} ".encode()), f"{name}: {answer!r}"
    assert not server.exchange.switch.calls()
