"""The engine's own life: ports, handles, starting and closing, and listeners that fail."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import subprocess
import sys
import threading

import pytest
import uvloop

from media.engine import Codec, Endpoint, Engine, MediaEvent, PlaybackEnded
from media.errors import (
    EngineClosedError,
    EngineUnavailableError,
    InvalidEndpointError,
    PortsExhaustedError,
)
from tests.media.phone import PORTS, Studio, free_ports, studio, tone

pytestmark = pytest.mark.usefixtures("on_each_backend")


async def settled(room: Studio, ports: int) -> None:
    """Wait until the engine has so many pairs of ports in use."""
    async with asyncio.timeout(20):
        while room.engine.statistics().ports_in_use != ports:
            await asyncio.sleep(0.01)


async def test_an_endpoint_takes_an_even_port_and_the_one_above_it() -> None:
    async with studio() as room:
        endpoint = room.engine.create_endpoint()
        assert endpoint.port % 2 == 0
        assert endpoint.address == "127.0.0.1"
        for port in (endpoint.port, endpoint.port + 1):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))


async def test_exhausted_ports_are_told_and_come_back_after_a_rest() -> None:
    async with studio(port_range=free_ports(1)) as room:
        endpoint = room.engine.create_endpoint()
        with pytest.raises(PortsExhaustedError, match="Widen the range"):
            room.engine.create_endpoint()
        endpoint.close()
        await settled(room, 0)
        with pytest.raises(PortsExhaustedError):
            room.engine.create_endpoint()
        async with asyncio.timeout(20):
            while True:
                try:
                    room.engine.create_endpoint()
                    break
                except PortsExhaustedError:
                    await asyncio.sleep(0.1)


async def test_a_port_of_another_program_is_passed_over() -> None:
    low, high = free_ports(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", low + 1))
        async with studio(port_range=(low, high)) as room:
            assert room.engine.create_endpoint().port == low + 2
            with pytest.raises(PortsExhaustedError):
                room.engine.create_endpoint()


async def test_closing_twice_frees_once() -> None:
    async with studio() as room:
        kept, gone = room.engine.create_endpoint(), room.engine.create_endpoint()
        gone.close()
        gone.close()
        await settled(room, 1)
        assert room.engine.statistics().endpoints == 1
        kept.close()
        await settled(room, 0)


async def test_a_forgotten_endpoint_gives_its_ports_back() -> None:
    async with studio() as room:
        endpoint = room.engine.create_endpoint()
        await settled(room, 1)
        del endpoint
        gc.collect()
        await settled(room, 0)


async def test_nothing_is_left_when_calls_come_and_go() -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    await _many_calls()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


async def _many_calls() -> None:
    async with studio() as room:
        for _ in range(20):
            ends = [room.engine.create_endpoint() for _ in range(4)]
            for one, other in zip(ends[::2], ends[1::2], strict=True):
                one.configure(remote=("127.0.0.1", 9), codec=Codec.PCMU)
                room.engine.bridge(one, other)
            for end in ends:
                end.close()
        await settled(room, 0)
        assert room.engine.statistics().endpoints == 0


async def test_open_ports_serve_one_endpoint_after_the_other() -> None:
    async with studio(port_range=free_ports(2)) as room:
        ports = set()
        for _ in range(2):
            endpoint = room.engine.create_endpoint()
            ports.add(endpoint.port)
            endpoint.close()
        await settled(room, 0)
        files = len(os.listdir("/proc/self/fd"))
        async with asyncio.timeout(20):
            while True:
                try:
                    endpoint = room.engine.create_endpoint()
                    break
                except PortsExhaustedError:
                    await asyncio.sleep(0.1)
        assert endpoint.port in ports
        assert len(os.listdir("/proc/self/fd")) == files


async def test_a_closed_endpoint_does_nothing_and_harms_nobody() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        b.close()
        b.configure(remote=boris.address, telephone_event=101)
        b.stop_play()
        b.send_digit("1")
        room.engine.bridge(a, b)
        room.engine.unbridge(b)
        anna.send(b"\x01" * 160)
        while not a.statistics().packets_received:
            await asyncio.sleep(0.01)
        assert b.statistics().packets_sent == 0


async def test_bridging_a_third_parts_the_first_two() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        clara, c = room.party()
        room.engine.bridge(a, b)
        room.engine.bridge(a, c)
        room.engine.bridge(a, a)
        boris.send(b"\x01" * 160)
        while not b.statistics().packets_received:
            await asyncio.sleep(0.01)
        clara.send(b"\x02" * 160)
        assert (await anna.hear()).payload[0] == 2


@pytest.mark.parametrize(
    ("remote", "payload_type", "says"),
    [
        (("phone.example", 4000), 0, "phone.example"),
        (("", 4000), 0, "not an IP address"),
        (("127.0.0.1", 0), 0, "port 0"),
        (("127.0.0.1", 70000), 0, "port 70000"),
        (("::1", 4000), 0, "family"),
        (("127.0.0.1", 4000), 128, "payload type 128"),
        (("127.0.0.1", 4000), -1, "payload type -1"),
    ],
)
async def test_a_target_that_cannot_be_is_refused(remote: tuple[str, int], payload_type: int, says: str) -> None:
    async with studio() as room:
        endpoint = room.engine.create_endpoint()
        with pytest.raises(InvalidEndpointError, match=says):
            endpoint.configure(remote=remote, payload_type=payload_type)


@pytest.mark.parametrize("ports", [(0, 100), (200, 100), (60000, 70000), (41201, 41202)])
def test_a_port_range_that_cannot_be_is_refused(ports: tuple[int, int]) -> None:
    with pytest.raises(EngineUnavailableError, match="port"):
        Engine(port_range=ports)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(EngineUnavailableError, match="example"):
        Engine(addresses=("host.example",), port_range=free_ports(1))


async def test_the_advertised_address_is_shown_and_the_other_bound() -> None:
    engine = Engine(port_range=free_ports(1), advertised_address="203.0.113.7")
    assert engine.create_endpoint().address == "203.0.113.7"
    engine.close()


@pytest.mark.parametrize(
    ("addresses", "local", "shown", "told", "version"),
    [
        (("127.0.0.1", "::1"), "::1", "::1", "::1", 6),
        (("127.0.0.1", "::1"), "127.0.0.1", "203.0.113.7", "203.0.113.7", 4),
        (("127.0.0.1", "127.0.0.2"), "127.0.0.2", "127.0.0.2", "127.0.0.2", 4),
        (("0.0.0.0", "::"), "127.0.0.1", "127.0.0.1", "127.0.0.1", 4),
        (("0.0.0.0", "::"), "::1", "::1", "::1", 6),
        # Where it cannot be opened it is not said to be.
        (("127.0.0.1",), "127.0.0.2", "127.0.0.2", "127.0.0.1", 4),
        (("::1",), "127.0.0.1", "127.0.0.1", "::1", 6),
        (("127.0.0.1", "::1"), "", "", "127.0.0.1", 4),
    ],
)
async def test_an_endpoint_is_opened_at_the_address_that_the_party_speaks_to(
    addresses: tuple[str, ...], local: str, shown: str, told: str, version: int
) -> None:
    engine = Engine(addresses=addresses, port_range=PORTS)
    endpoint = engine.create_endpoint(local, shown)
    assert (endpoint.address, endpoint.ip_version) == (told, version)
    kind = socket.AF_INET6 if version == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind((told if told.startswith(("127.", "::")) else local, endpoint.port))
    engine.close()


async def test_parties_of_both_families_hear_each_other() -> None:
    engine = Engine(addresses=("127.0.0.1", "::1"), port_range=PORTS)
    engine.start(asyncio.get_running_loop())
    ends = [engine.create_endpoint("127.0.0.1"), engine.create_endpoint("::1")]
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as old,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as new,
    ):
        for phone, host, end in ((old, "127.0.0.1", ends[0]), (new, "::1", ends[1])):
            phone.setblocking(False)
            phone.bind((host, 0))
            end.configure(remote=(host, phone.getsockname()[1]), codec=Codec.PCMA, payload_type=8)
        engine.bridge(*ends)
        for speaker, host, end, listener in ((old, "127.0.0.1", ends[0], new), (new, "::1", ends[1], old)):
            voice = os.urandom(160)
            async with asyncio.timeout(5):
                packet = bytes([0x80, 8, 0, 1]) + bytes(8) + voice
                speaker.sendto(packet, (host, end.port))
                assert (await asyncio.get_running_loop().sock_recv(listener, 2048))[12:] == voice
    with pytest.raises(InvalidEndpointError, match="family"):
        ends[1].configure(remote=("127.0.0.1", 4000))
    engine.close()


async def test_ipv6_works_alike() -> None:
    engine = Engine(addresses=("::1",), port_range=PORTS)
    engine.start(asyncio.get_running_loop())
    endpoint = engine.create_endpoint()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone:
        phone.bind(("::1", 0))
        endpoint.configure(remote=("::1", phone.getsockname()[1]))
        phone.sendto(bytes([0x80, 0, 0, 1]) + bytes(168), ("::1", endpoint.port))
        while not endpoint.statistics().packets_received:
            await asyncio.sleep(0.01)
    engine.close()


async def test_a_process_out_of_files_is_told_what_to_raise() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with studio() as room:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 10, limits[1]))
        try:
            kept: list[Endpoint] = []
            with pytest.raises(PortsExhaustedError, match="ulimit"):
                while len(kept) < 1000:
                    kept.append(room.engine.create_endpoint())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_legs_opened_after_the_limit_of_files_was_raised_hear_each_other() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 64, limits[1]))
    try:
        async with studio() as room:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for _ in range(100):
                room.engine.create_endpoint()
            anna, a = room.party()
            boris, b = room.party()
            room.engine.bridge(a, b)
            for speaker, listener in ((anna, boris), (boris, anna)):
                speaker.frame(tone(440, 0.02))
                await listener.hear()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_closing_ends_the_threads_and_a_second_time_does_nothing() -> None:
    engine = Engine(port_range=free_ports(1))
    engine.start(asyncio.get_running_loop())
    endpoint = engine.create_endpoint()
    while native_threads() != {"ramal-media", "ramal-writer"}:
        await asyncio.sleep(0.01)
    engine.close()
    engine.close()
    assert native_threads() == set()
    endpoint.close()
    with pytest.raises(EngineClosedError):
        engine.create_endpoint()
    with pytest.raises(EngineClosedError):
        engine.start(asyncio.get_running_loop())


def native_threads() -> set[str]:
    """The engine's threads of this process."""
    names = set()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm") as comm:
            names.add(comm.read().strip())
    return {name for name in names if name.startswith("ramal-")}


async def test_an_engine_that_never_started_closes_too() -> None:
    engine = Engine(port_range=free_ports(1))
    engine.create_endpoint()
    engine.close()


async def test_one_failing_listener_does_not_cost_the_other_events() -> None:
    async with studio() as room:
        _, a = room.party()
        calls: list[MediaEvent] = []

        def listener(event: MediaEvent) -> None:
            calls.append(event)
            room.told(event)
            raise RuntimeError("a listener's own trouble")

        room.engine.on_event = listener
        a.play([])
        a.play([])
        await room.event(PlaybackEnded, 2)
        assert len(calls) == 2


def test_it_works_on_uvloop_and_from_many_threads() -> None:
    async def call() -> None:
        async with studio() as room:
            ends: list[Endpoint] = []

            def work() -> None:
                for _ in range(20):
                    endpoint = room.engine.create_endpoint()
                    endpoint.configure(remote=("127.0.0.1", 9))
                    endpoint.play([])
                    ends.append(endpoint)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            await room.event(PlaybackEnded, 80)
            for thread in threads:
                thread.join()
            assert len({end.port for end in ends}) == 80

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(call())


def test_a_process_that_forgets_to_close_ends_all_the_same() -> None:
    program = "from media.engine import Engine; e = Engine(port_range=(30000, 32767)); p = e.create_endpoint(); e._native.start()"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
