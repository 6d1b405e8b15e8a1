"""Sets up a checkout: installs what is missing and only that.

Runs on the system's Python before anything else is there, so it needs the standard library only.
Usage: python3 deploy/setup.py run|demo|test|bench|fuzz|web
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "stamps"
BUILD_LOCK = ROOT / "deploy" / "build.lock"
OLDEST_NODE = (20, 19)
LINES_SHOWN = 12
SERVICES = {"mosquitto", "coturn", "postgresql", "rtpengine-daemon"}
"""Packages that Debian starts as services; the tests start their own, and Ramal needs the ports."""
TESTS_PACKAGES = "debian-packages-test.txt"
MORE_PACKAGES = {
    "test": [TESTS_PACKAGES],
    "bench": [TESTS_PACKAGES, "debian-packages-bench.txt"],
    "fuzz": [TESTS_PACKAGES, "debian-packages-fuzz.txt"],
}
"""Lists of Debian packages that only these purposes need; they have the development requirements of Python in common, too."""


def main(purpose: str) -> None:
    """Bring the checkout into the state that `purpose` needs."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python reads this line before anything else is there
        fail("Ramal needs Python 3.11 or newer.", "On Debian 12: apt-get install python3, then call make again.")
    wait_for_turn()
    install_packages(["debian-packages.txt", *MORE_PACKAGES.get(purpose, [])])
    install_python("requirements-dev.lock" if purpose in MORE_PACKAGES else "requirements.lock")
    if purpose != "web":
        build_engine()
    build_web()


def wait_for_turn() -> None:
    """Let another set-up of this checkout end first; the lock goes with the process."""
    lock = os.open(__file__, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another set-up of this folder to end")
        fcntl.flock(lock, fcntl.LOCK_EX)


def say(text: str) -> None:
    """Show one line of progress."""
    print(f"» {text}", flush=True)


def fail(problem: str, remedy: str) -> NoReturn:
    """End with what went wrong and what to do about it."""
    sys.exit(f"\n✗ {problem}\n  {remedy}")


def run(command: list[str], problem: str, remedy: str, *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a command quietly; where it fails show the end of what it said."""
    result = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        print("\n".join(result.stdout.splitlines()[-LINES_SHOWN:]), file=sys.stderr)
        fail(problem, remedy)


def install_packages(lists: list[str]) -> None:
    """Install the Debian packages whose check fails, as root or through sudo."""
    missing = [
        package
        for name in lists
        for package, check in read_packages((ROOT / "deploy" / name).read_text(encoding="utf-8"))
        if subprocess.run(check, shell=True, capture_output=True, check=False).returncode
    ]
    if not missing:
        return
    command = f"apt-get update && apt-get install -y --no-install-recommends {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        fail(
            f"These programs are missing: {', '.join(missing)}.",
            "This is no Debian: install them with your package manager.",
        )
    prefix: list[str] = []
    if os.geteuid() != 0:
        if (
            shutil.which("sudo") is None
            or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode
        ):
            fail("Some Debian packages are missing and this user may not install them.", f"Run as root: {command}")
        prefix = ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    say(f"Installing Debian packages: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for part in command.split(" && "):
        run(
            [*prefix, *part.split()],
            "Debian packages could not be installed.",
            f"Run as root and look: {command}",
            env=environment,
        )
    stop_services(sorted(SERVICES.intersection(missing)), prefix)


def stop_services(services: list[str], prefix: list[str]) -> None:
    """Stop the services that were installed just now, and keep them from starting with the machine."""
    if services and Path("/run/systemd/system").exists():
        run(
            [*prefix, "systemctl", "disable", "--now", *services],
            "Services that only the tests need could not be stopped.",
            f"Run as root and look: systemctl disable --now {' '.join(services)}",
        )


def read_packages(text: str) -> list[tuple[str, str]]:
    """Return package and check of each line that is neither empty nor a comment."""
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(package, check) for package, check in lines]


def install_python(lock: str) -> None:
    """Make `.venv` hold exactly what the lock file names (or more, where the tests' lock is there already)."""
    discard_strange_venv()
    if not PYTHON.exists():
        say("Making .venv")
        run(
            [sys.executable, "-m", "venv", str(VENV)],
            "The virtual environment could not be made.",
            "Remove .venv and call make again.",
        )
    wanted = digest([ROOT / lock])
    stamp = STAMPS / lock
    if stamp.exists() and stamp.read_text() == wanted:
        return
    tests = STAMPS / "requirements-dev.lock"
    if lock == "requirements.lock" and tests.exists() and tests.read_text() == digest([ROOT / "requirements-dev.lock"]):
        return
    say(f"Installing Python packages from {lock}")
    remedy = "Check the network, then call make again."
    uv = shutil.which("uv")
    if uv is None:
        if not (VENV / "bin" / "uv").exists():
            run(
                [str(PYTHON), "-m", "pip", "install", "-q", "--retries", "2", "uv"],
                "The package installer uv could not be installed.",
                remedy,
            )
        uv = str(VENV / "bin" / "uv")
    run(
        # Compiled at once: a server whose user may not write there would compile them at each start.
        [uv, "pip", "install", "-q", "--compile-bytecode", "-p", str(PYTHON), "--require-hashes", "-r", lock],
        "Python packages could not be installed.",
        remedy,
    )
    write_stamp(stamp, wanted)


def discard_strange_venv() -> None:
    """Remove a `.venv` that was made for another folder (a checkout that was moved or copied), half made, or lost its Python."""
    pip = VENV / "bin" / "pip"
    if VENV.exists() and not (PYTHON.exists() and pip.exists() and str(VENV) in pip.read_text(encoding="utf-8")[:500]):
        say("Removing .venv, which was made for another folder or Python")
        shutil.rmtree(VENV)


def build_engine() -> None:
    """Compile the native media engine when its sources have changed, and make the `ramal` command."""
    wanted = digest([ROOT / "pyproject.toml", BUILD_LOCK, *engine_sources()])
    stamp = STAMPS / "engine"
    if stamp.exists() and stamp.read_text() == wanted and any((ROOT / "media").glob("_engine*.so")):
        return
    say("Compiling the media engine (about a minute)")
    uv = shutil.which("uv") or str(VENV / "bin" / "uv")
    command = [uv, "pip", "install", "-q", "-p", str(PYTHON), "--no-deps", "--build-constraints", str(BUILD_LOCK)]
    run(
        [*command, "-e", "."],
        "The media engine could not be compiled.",
        "The lines above name the missing piece: the network, or a package of deploy/debian-packages.txt.",
    )
    write_stamp(stamp, wanted)


def engine_sources() -> list[Path]:
    """Return the engine's sources, without what CMake leaves beside them."""
    folder = ROOT / "media" / "native"
    return sorted([folder / "CMakeLists.txt", *folder.glob("*.cpp"), *folder.glob("*.hpp")])


def build_web() -> None:
    """Build the web app when its sources have changed, with Node from PATH or from the venv."""
    web = ROOT / "web"
    ignored = {"node_modules", "dist", "test-results"}
    wanted = digest(path for path in sorted(web.rglob("*")) if not ignored & set(path.relative_to(web).parts))
    stamp = STAMPS / "web"
    if stamp.exists() and stamp.read_text() == wanted and (web / "dist" / "index.html").exists():
        return
    environment = node_environment()
    say("Building the web app (about a minute)")
    npm = shutil.which("npm", path=environment["PATH"]) or "npm"
    remedy = "Check the network, then call make again; `cd web && npm ci && npm run build` shows more."
    run(
        [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund"],
        "The web app's packages could not be installed.",
        remedy,
        cwd=web,
        env=environment,
    )
    run([npm, "run", "build"], "The web app could not be built.", remedy, cwd=web, env=environment)
    write_stamp(stamp, wanted)


def node_environment() -> dict[str, str]:
    """Return an environment whose PATH has a Node that is new enough, installing one into the venv if need be."""
    environment = dict(os.environ)
    node = shutil.which("node")
    if node is not None and shutil.which("npm") is not None:
        text = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if node_version(text) >= OLDEST_NODE:
            return environment
    if not (VENV / "bin" / "npm").exists():
        say("Installing Node.js into .venv")
        uv = shutil.which("uv") or str(VENV / "bin" / "uv")
        command = [uv, "pip", "install", "-q", "-p", str(PYTHON), "--require-hashes", "-r", "deploy/node.lock"]
        run(
            command,
            "Node.js could not be installed.",
            "Check the network, or install Node.js 20.19 or newer, then call make again.",
        )
    environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment['PATH']}"
    return environment


def node_version(text: str) -> tuple[int, ...]:
    """Return major and minor number of what `node --version` says, or nothing where that is no version."""
    return tuple(int(part) for part in text.strip().lstrip("v").split(".")[:2] if part.isdigit())


def digest(paths: Iterable[Path]) -> str:
    """Return one hash of the names and contents of all files."""
    total = hashlib.sha256()
    for path in paths:
        if path.is_file() and path.suffix not in {".pyc", ".so"}:
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def write_stamp(stamp: Path, text: str) -> None:
    """Remember what was done, after it was done."""
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in {"run", "demo", "web", *MORE_PACKAGES}:
        sys.exit(__doc__)
    started = time.monotonic()
    # As after Ctrl-C, what was started ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("\n✗ Stopped before the set-up was complete; call make again to go on.")
    except OSError as error:
        fail(
            f"A file of the set-up could not be read or written: {error}.",
            "Give this user write access to the folder, or free space on the disk, then call make again.",
        )
    if time.monotonic() - started > 5:
        say(f"Set up in {time.monotonic() - started:.0f} s")
