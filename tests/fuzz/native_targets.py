"""Builds programs that try the media engine under sanitizers, where clang is: a fuzz target, and threads against each other."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
NATIVE: Final = ROOT / "media" / "native"
FOLDER: Final = ROOT / "build" / "fuzz"
_FLAGS: Final = ("-std=c++20", "-O1", "-g")


def compiler() -> str | None:
    """Return clang, where it is installed with what the sanitizers need."""
    clang = shutil.which("clang++")
    if clang is None:
        return None
    done = subprocess.run([clang, "-print-resource-dir"], capture_output=True, text=True, check=False)
    return clang if any(Path(done.stdout.strip()).rglob("libclang_rt.fuzzer*.a")) else None


def build() -> Path:
    """Compile what is older than its source, and return the fuzz target.

    Raises:
        RuntimeError: there is no clang, or it found an error.
    """
    return _build("media_packets", "fuzzer,address,undefined", "fuzzer-no-link,address,undefined")


def build_threads() -> Path:
    """Compile the program that sets the engine's threads against each other under ThreadSanitizer, as `build`."""
    return _build("engine_threads", "thread", "thread")


def _build(name: str, linked: str, compiled: str) -> Path:
    clang = compiler()
    if clang is None:
        raise RuntimeError("clang++ and its sanitizers are not installed: apt-get install clang libclang-rt-dev")
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    # What speaks to Python is no matter of packets.
    own = Path(__file__).parent / "native" / f"{name}.cpp"
    sources = [own, *(path for path in sorted(NATIVE.glob("*.cpp")) if not path.name.startswith("module"))]
    headers = max(path.stat().st_mtime for path in NATIVE.glob("*.hpp"))
    options = [clang, *_FLAGS, f"-fsanitize={compiled}", "-fno-sanitize-recover=all", f"-I{NATIVE}"]
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda source: _compiled(options, source, folder, headers), sources))
    target = folder / name
    if not target.exists() or any(one.stat().st_mtime > target.stat().st_mtime for one in objects):
        libraries = ("-lopus", "-lcrypto", "-pthread")
        _run([clang, f"-fsanitize={linked}", *map(str, objects), *libraries, "-o", str(target)])
    return target


def _compiled(options: Sequence[str], source: Path, folder: Path, headers: float) -> Path:
    made = folder / f"{source.stem}.o"
    if not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime, headers):
        _run([*options, "-c", str(source), "-o", str(made)])
    return made


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])


def write_seeds(folder: Path) -> None:
    """Write a few conversations to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    voice = b"".join(_step(24, _rtp(number, 0, bytes(80))) for number in range(6))
    keys = b"".join(
        _step(24, _rtp(number, 101, struct.pack("!BBH", 5, 10 | (number > 2) << 7, 160 * number)))
        for number in range(6)
    )
    report = _step(16, struct.pack("!BBHIIIIIII", 0x81, 201, 7, 9, 1, 0, 1000, 3, 0, 0))
    mixed = _step(4, b"\x01") + _step(5, b"\x01") + voice
    coded = (
        _step(0, b"\x05") + _step(1, b"\x0b") + b"".join(_step(24, _rtp(number, 96, bytes(60))) for number in range(6))
    )
    check = _step(12, b"") + _step(
        24, struct.pack("!HHI12s", 1, 8, 0x2112A442, b"transaction!") + b"\x00\x06\x00\x04frag"
    )
    recorded = _step(6, b"") + voice + _step(18, b"")
    for name, content in {
        "voice": voice, "keys": keys, "report": report, "mixed": mixed, "coded": coded, "check": check, "recorded": recorded,
    }.items():  # fmt: skip
        (folder / name).write_bytes(content)


def _step(what: int, packet: bytes) -> bytes:
    return bytes([what, len(packet)]) + packet


def _rtp(number: int, payload_type: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, 1000 + number, 160 * number, 77) + payload
