"""`ramal route test` beside a running server, and without one."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from core.clock import SystemClock
from core.company import Company
from core.database import Database
from core.errors import RamalError
from core.migrate import migrate
from core.settings_reader import load_settings
from pbx.directory import Directory
from ramal.route_tools import explain_route
from tests.ramal.test_command_line import ramal
from tests.support.ports import free_port
from tests.support.ramal_process import ramal_process


async def company_in(folder: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{folder}/ramal.sqlite3")
    await migrate(database)
    directory = Directory(database, Company(database), SystemClock(), realm="ramal")
    await directory.reload()
    await directory.create_extension(number="1001", name="Ana", password="correct horse 9")
    await directory.create_trunk(name="carrier", host="192.0.2.1", caller_id="+74951112233", asserted_identity=True)
    await directory.create_route(name="mobile", pattern="+79*", trunks=["carrier"], prepend="8", strip=2)
    await directory.create_route(name="abroad", prefix="+55", trunks=["carrier"], extensions=["2XXX"])
    await database.close()


async def test_without_a_server_it_decides_by_the_database(tmp_path: Path) -> None:
    await company_in(tmp_path)
    environment = {"RAMAL_WEB_PORT": str(free_port())}
    told = ramal("route", "test", "89161234567", "--from", "1001", "--data", str(tmp_path), **environment)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].startswith("no server runs on this data folder")
    assert "read as the public number +79161234567 (RU)" in lines
    assert any("INVITE sip:89161234567@192.0.2.1 to udp:192.0.2.1:5060" in line for line in lines)
    assert lines[-1] == "→ outside +79161234567"
    settings = load_settings(None, environment, data=tmp_path)
    refused = await explain_route(settings, "+551133334444", from_extension="1001", trunk="")
    assert (refused["result"], refused["status"]) == ("refused", 403)
    with pytest.raises(RamalError, match="from_extension: there is no extension “1999”"):
        await explain_route(settings, "1001", from_extension="1999", trunk="")


async def test_beside_a_server_it_tells_how_the_trunks_stand(tmp_path: Path) -> None:
    async with ramal_process(tmp_path) as server:
        await server.start()
        await server.create_company(free_port())
        told = json.loads(await server.run("route", "test", "+79161234567", "--from", "1001", "--json"))
        assert told["result"] == "outside"
        assert not told["lines"][0].startswith("no server")
        assert told["tries"][0]["trunk"] == "carrier"
        assert told["tries"][0]["servers"] == [] or told["tries"][0]["servers"][0].startswith("udp:127.0.0.2:")
        async with httpx.AsyncClient(trust_env=False) as client:
            figures = (await client.get(f"http://127.0.0.1:{server.web_port}/metrics")).text
        assert 'ramal_trunk_calls_out{trunk="carrier"} 0.0' in figures
        assert 'ramal_trunk_usable{trunk="carrier"}' in figures
        async with server.api() as api:
            labels = [token["label"] for token in (await api.get("tokens"))["items"]]
        assert "ramal route test" not in labels, "the token it asked with is gone"


async def test_an_extension_that_dials_and_a_trunk_that_brings_the_call_exclude_each_other(tmp_path: Path) -> None:
    await company_in(tmp_path)
    refused = ramal("route", "test", "1001", "--from", "1001", "--trunk", "carrier", "--data", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        "ramal: --from and --trunk exclude each other.",
        "       --from is for a call that an extension dials, --trunk for one that comes in.",
    ]
