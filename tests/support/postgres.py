"""A private PostgreSQL server for the tests: its own folder, its own free port, gone when the tests are over."""

import functools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SETTINGS = (
    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=40"
)


def _programs() -> Path | None:
    """Return the folder of the newest installed server's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda folder: int(folder.parent.name.split(".")[0]))
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def _as_owner(command: list[str], folder: Path) -> None:
    """Run a server program; root may not, so it becomes `postgres` for it."""
    run = functools.partial(subprocess.run, check=True, capture_output=True, text=True, cwd=folder, timeout=60)
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        run(command, user=owner.pw_uid, group=owner.pw_gid, extra_groups=[], env=environment)
    else:
        run(command, env=environment)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres_server() -> Iterator[str]:
    """Give the URL of a fresh, empty database `ramal` on a server of its own.

    Fails the test where PostgreSQL is not installed: a test that is skipped proves nothing.
    """
    programs = _programs()
    if programs is None:
        pytest.fail("PostgreSQL is not installed; `make test` installs it")
    folder = Path(tempfile.mkdtemp(prefix="ramal-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        port = _free_port()
        data = folder / "data"
        _as_owner(
            [str(programs / "initdb"), "-D", str(data), "-U", "ramal", "--auth=trust", "--encoding=UTF8", "--no-sync"],
            folder,
        )
        listen = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} {_SETTINGS}"
        start = [str(programs / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w", "-o", listen, "start"]
        _as_owner(start, folder)
        try:
            yield f"postgresql+asyncpg://ramal@127.0.0.1:{port}/postgres"
        finally:
            _as_owner([str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the test run."""
    with postgres_server() as url:
        yield url
