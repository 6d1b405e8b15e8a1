"""A server in a process of its own, to be killed: `server_process.py FOLDER PORT PROMPTS`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.company import CompanySettings
from tests.support.ramal_server import PASSWORD, ramal_server


async def main(folder: Path, port: int, prompts: Path) -> None:
    """Serve two extensions, and record what they say, until killed."""
    settings = CompanySettings(record_internal_calls=True)
    async with ramal_server(
        folder, settings=settings, port=port, prompts=prompts, pbx={"alive_interval": 0.5}
    ) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
