"""The `ramal` command."""

from __future__ import annotations

import asyncio
import enum
import json
import os
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import uvloop

from core.errors import InvalidInputError, RamalError
from core.logs import configure_logs
from core.settings import Settings
from core.settings_reader import load_settings
from core.visible import visible
from ramal.allocator import share_memory
from ramal.errors import ServerFailedError
from ramal.open_files import allow_open_files
from ramal.pauses import collect_after_start

cli = typer.Typer(
    name="ramal",
    help="Contact-center and IP-telephony engine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
token_cli = typer.Typer(help="API tokens.", no_args_is_help=True)
recordings_cli = typer.Typer(help="Recordings of calls.", no_args_is_help=True)
rates_cli = typer.Typer(help="What calls cost.", no_args_is_help=True)
cli.add_typer(token_cli, name="token")
cli.add_typer(recordings_cli, name="recordings")
cli.add_typer(rates_cli, name="rates")
bans_cli = typer.Typer(help="Addresses kept away from SIP after wrong passwords.", no_args_is_help=True)
cli.add_typer(bans_cli, name="bans")
route_cli = typer.Typer(help="Where calls go.", no_args_is_help=True)
cli.add_typer(route_cli, name="route")

Data = Annotated[Path | None, typer.Option("--data", help="Data folder; var unless it is named.", show_default=False)]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file in TOML.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_REFUSED = 2
"""Exit code of a command that was refused: it would be refused again; typer ends with the same on a wrong option."""
_SERVER_FAILED = 3
"""Exit code of a command whose running server is silent, too busy or broken: asking again may help."""


def main() -> None:
    """Run the command; an error the user can act on is one or two lines, never a traceback."""
    try:
        _check_texts(sys.argv[1:])
        cli(standalone_mode=True)
    except RamalError as error:
        _refuse(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _show_version(wanted: bool) -> None:
    if wanted:
        from api.settings import VERSION  # noqa: PLC0415

        print(f"Ramal {VERSION}")
        raise typer.Exit


@cli.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Take the options that stand before any command."""


@cli.command()
def serve(data: Data = None, config: ConfigFile = None) -> None:
    """Start the server and run until Ctrl-C or SIGTERM."""
    share_memory()
    collect_after_start()
    # First, so that a wrong setting is told at once.
    settings = _settings(data, config)
    from ramal.app import serve as run_server  # noqa: PLC0415 - loading the rooms takes a second, other commands need none of it

    allow_open_files()
    _run(run_server(settings))


@cli.command()
def demo(
    data: Annotated[Path, typer.Option("--data", help="Folder of the demo; emptied first.")] = Path("demo-data"),
    config: ConfigFile = None,
    stop: Annotated[bool, typer.Option("--exit", help="Stop after the calls and print a JSON summary.")] = False,
) -> None:
    """Show the main job on real calls with a demo company."""
    share_memory()
    collect_after_start()
    from ramal.demo.run import run_demo  # noqa: PLC0415

    settings = _settings(data, config)
    sys.exit(0 if _run(run_demo(settings, stop=stop)) else 1)


@cli.command()
def softphone(
    server: Annotated[
        str,
        typer.Option(help="Address of the server, host or host:port; with --webrtc of its web server, ws:// for HTTP."),
    ] = "127.0.0.1",
    extension: Annotated[str, typer.Option(help="Extension to register.")] = "1001",
    password: Annotated[
        str, typer.Option(help="Its password.", envvar="RAMAL_SOFTPHONE_PASSWORD", prompt=True, hide_input=True)
    ] = "",
    webrtc: Annotated[bool, typer.Option("--webrtc", help="Be a WebRTC phone, as browsers are.")] = False,
) -> None:
    """Be a phone on the terminal."""
    from ramal.softphone.account import check_account  # noqa: PLC0415
    from ramal.softphone.terminal import run_softphone  # noqa: PLC0415

    configure_logs("console")
    transport = "udp"
    if webrtc:
        scheme, separator, address = server.partition("://")
        transport, server = (scheme, address.partition("/")[0]) if separator else ("wss", server)
        if transport not in ("ws", "wss"):
            raise InvalidInputError(f"SIP does not go over {transport}.", hint="Say host, host:port, wss:// or ws://.")
    check_account(server, extension)
    _run(run_softphone(server, extension, password, transport=transport))


@token_cli.command("create")
def create_token(
    role: Annotated[str, typer.Option(help="agent, manager, owner or administrator.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    extension: Annotated[str | None, typer.Option(help="The extension an agent's token acts for.")] = None,
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print a new API token; it is shown this once."""
    from ramal.tools import create_token as create  # noqa: PLC0415

    token = _run(create(_settings(data, config), role=role, label=label, extension=extension))
    _show({"token": token, "role": role, "extension": extension}, token, as_json=as_json)


@recordings_cli.command("list")
def list_recordings(
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List recordings, newest first."""
    from ramal.tools import list_recordings as listing  # noqa: PLC0415

    rows = _run(listing(_settings(data, config), limit=limit))
    lines = [f"{row['id']}  {row['seconds'] or 0:>8.1f} s  {row['state']:<10} {row['started_at']}" for row in rows]
    _show({"items": rows}, "\n".join(lines) or "There are no recordings yet.", as_json=as_json)


@recordings_cli.command("export")
def export_recording(
    recording: Annotated[str, typer.Argument(help="Id of the recording.")],
    target: Annotated[Path, typer.Argument(help="WAV file to write.")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy a recording to a file."""
    from ramal.tools import export_recording as export  # noqa: PLC0415

    size = _run(export(_settings(data, config), recording, target))
    _show({"id": recording, "file": str(target), "bytes": size}, f"{target}: {size} bytes", as_json=as_json)


@rates_cli.command("import")
def import_rates(
    file: Annotated[Path, typer.Argument(help="CSV file; the columns stand in docs/billing.md.")],
    tariff: Annotated[str, typer.Option(help="Tariff to fill; made when missing.")] = "default",
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Import rates from a CSV file, all or none."""
    from ramal.tools import import_rates as load  # noqa: PLC0415

    count = _run(load(_settings(data, config), file, tariff=tariff))
    _show({"imported": count, "tariff": tariff}, f"{count} rates imported into “{tariff}”.", as_json=as_json)


class TraceFormat(enum.StrEnum):
    """How a trace is shown."""

    TEXT = "text"
    JSON = "json"
    PCAP = "pcap"


@cli.command()
def trace(
    call: Annotated[str, typer.Argument(help="The call's id, or the SIP Call-ID of one of its legs.")],
    shape: Annotated[
        TraceFormat, typer.Option("--format", help="A ladder, JSON, or a capture for Wireshark.")
    ] = TraceFormat.TEXT,
    output: Annotated[
        Path | None, typer.Option("--output", help="File to write; not needed for text and JSON.")
    ] = None,
    whole: Annotated[bool, typer.Option("--messages", help="Show the messages themselves below the ladder.")] = False,
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the SIP messages of a call of the last days, all its legs; secrets are masked."""
    from ramal.tools import call_trace, write_new  # noqa: PLC0415

    shape = TraceFormat.JSON if as_json else shape
    if shape is TraceFormat.PCAP and output is None and sys.stdout.isatty():
        raise InvalidInputError("A capture is no text for a terminal.", hint="Name a file with --output.")
    found = _run(call_trace(_settings(data, config), call))
    if shape is TraceFormat.PCAP:
        content: bytes = found.pcap()
    else:
        content = (found.json() if shape is TraceFormat.JSON else found.text(whole=whole)).encode()
    if output is not None:
        write_new(output, content)
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


@route_cli.command("test")
def explain_route(
    number: Annotated[str, typer.Argument(help="As it would be dialled, or as a carrier asks for it.")],
    from_extension: Annotated[str, typer.Option("--from", help="The extension that would dial.")] = "",
    trunk: Annotated[str, typer.Option(help="In place of --from: the trunk by which the call would come in.")] = "",
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell line by line where a call would go, and why; no call is made."""
    from ramal import route_tools  # noqa: PLC0415

    if from_extension and trunk:
        raise InvalidInputError(
            "--from and --trunk exclude each other.",
            hint="--from is for a call that an extension dials, --trunk for one that comes in.",
        )
    work = route_tools.explain_route(_settings(data, config), number, from_extension=from_extension, trunk=trunk)
    told = _run(work)
    outcome = f"refused with {told['status']}" if told["result"] == "refused" else f"{told['result']} {told['target']}"
    _show(told, "\n".join([*told["lines"], f"→ {outcome}"]), as_json=as_json)


@bans_cli.command("list")
def list_bans(data: Data = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the bans that hold, and the allow-list."""
    from ramal import ban_tools  # noqa: PLC0415

    found = _run(ban_tools.list_bans(_settings(data, config)))
    lines = [f"{one['network']:<24} {ban_tools.until_text(one['until']):>8}  {one['reason']}" for one in found["bans"]]
    lines = lines or ["Nobody is banned."]
    lines += [f"{one['network']:<24} {'never':>8}  {one['note']}".rstrip() for one in found["allowed"]]
    _show(found, "\n".join(lines), as_json=as_json)


@bans_cli.command("add")
def add_ban(
    address: Annotated[str, typer.Argument(help="An address (of IPv6 its whole /64) or a network as 203.0.113.0/24.")],
    seconds: Annotated[int, typer.Option(min=1, help="For how long.")] = 86_400,
    reason: Annotated[str, typer.Option(help="Why, for those who look at the list.")] = "By hand",
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ban an address or network; a running server takes it over within seconds."""
    from ramal import ban_tools  # noqa: PLC0415

    ban = _run(ban_tools.add_ban(_settings(data, config), address, seconds=seconds, reason=reason))
    _show(ban, f"{ban['network']} is banned for {ban_tools.until_text(ban['until'])}.", as_json=as_json)


@bans_cli.command("lift")
def lift_ban(
    address: Annotated[str, typer.Argument(help="The banned address or network.")],
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Lift a ban; the next one will be as short as a first one."""
    from ramal.ban_tools import lift_ban as lift  # noqa: PLC0415

    network = _run(lift(_settings(data, config), address))
    _show({"network": network}, f"{network} is not banned any more.", as_json=as_json)


@bans_cli.command("allow")
def allow_network(
    network: Annotated[str, typer.Argument(help="An address, or a network as 198.51.100.0/24.")],
    note: Annotated[str, typer.Option(help="Whose it is.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take it off the list instead.")] = False,
    data: Data = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Never ban a network, and lift the bans in it."""
    from ramal.ban_tools import allow  # noqa: PLC0415

    text = _run(allow(_settings(data, config), network, note=note, remove=remove))
    line = f"{text} can be banned again." if remove else f"{text} is never banned."
    _show({"network": text, "allowed": not remove}, line, as_json=as_json)


@cli.command()
def doctor(data: Data = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Find what is wrong: ports, addresses, certificates, DNS, trunks, phones, one-way audio; exit 1 on a problem."""
    from ramal.doctor.findings import Severity, as_text, worst  # noqa: PLC0415
    from ramal.doctor.outside import examine  # noqa: PLC0415

    findings = _run(examine(_settings(data, config)))
    status = worst(findings)
    _show({"status": status, "findings": [asdict(one) for one in findings]}, as_text(findings), as_json=as_json)
    sys.exit(1 if status is Severity.PROBLEM else 0)


@cli.command("openapi")
def show_openapi() -> None:
    """Print the API's OpenAPI description."""
    from api.app import openapi_description  # noqa: PLC0415

    typer.echo(json.dumps(openapi_description(), indent=2))


def _check_texts(arguments: list[str]) -> None:
    """Refuse what the shell handed over as broken text: it could be neither stored nor shown.

    Raises:
        InvalidInputError: an argument is not UTF-8.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode(errors="surrogateescape").decode(errors="replace")[:60]
            raise InvalidInputError(f"“{shown}” is not text in UTF-8.") from None


def _settings(data: Path | None, config: Path | None) -> Settings:
    settings = load_settings(config, os.environ, data=data)
    configure_logs(settings.log_format)
    return settings


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _show(values: dict[str, Any], text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(values, default=str) if as_json else visible(text))


def _refuse(error: RamalError) -> NoReturn:
    typer.echo(visible(f"ramal: {error.message}"), err=True)
    if error.hint:
        typer.echo(visible(f"       {error.hint}"), err=True)
    sys.exit(_SERVER_FAILED if isinstance(error, ServerFailedError) else _REFUSED)
