"""The `ramal` command: helpful, and never a traceback."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ramal(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from ramal.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "demo",
        "softphone",
        "token",
        "token create",
        "recordings list",
        "recordings export",
        "rates import",
        "bans list",
        "bans allow",
        "trace",
        "doctor",
        "route test",
    ],
)
def test_every_command_has_help(command: str) -> None:
    result = ramal(*command.split(), "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    result = ramal("--version")
    assert (result.returncode, result.stdout) == (0, f"Ramal {project['version']}\n")


def test_an_unknown_setting_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    result = ramal("serve", "--data", str(tmp_path), RAMAL_SIP_PROT="5070")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "ramal: There is no setting RAMAL_SIP_PROT.",
        "       Did you mean RAMAL_SIP_PORT?",
    ]


def test_a_webrtc_phone_is_not_led_over_what_carries_no_sip() -> None:
    done = ramal("softphone", "--webrtc", "--server", "http://127.0.0.1:8080", "--password", "secret")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "ramal: SIP does not go over http.",
        "       Say host, host:port, wss:// or ws://.",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--server", "127.0.0.1:99999"], "“127.0.0.1:99999” is no server."),
        (["--server", ""], "“” is no server."),
        (["--extension", ""], "“” is no extension."),
        (["--extension", "кот"], "“кот” is no extension."),
        (["--extension", "1001@ramal.example"], "“1001@ramal.example” is no extension."),
    ],
)
def test_a_phone_is_told_what_is_wrong_with_its_account(given: list[str], told: str) -> None:
    done = ramal("softphone", "--password", "secret", *given)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"ramal: {told}"


def test_the_help_names_the_usual_data_folder() -> None:
    assert "Data folder; var unless it is named." in ramal("serve", "--help", COLUMNS="200").stdout


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path) -> None:
    broken = os.fsdecode(b"caf\xe9")
    for command in (["route", "test", broken], ["bans", "add", "203.0.113.7", "--reason", broken]):
        result = ramal(*command, "--data", str(tmp_path))
        assert (result.returncode, result.stderr) == (2, "ramal: “caf\ufffd” is not text in UTF-8.\n")


@pytest.mark.parametrize("label", ["", "x" * 201, "two\nlines"])
def test_a_token_has_a_label_that_lists_can_show(tmp_path: Path, label: str) -> None:
    result = ramal("token", "create", "--role", "manager", "--label", label, "--data", str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert "A label is one line of 1 to 200 printable characters." in result.stderr


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = ramal("serve", "--data", str(tmp_path / "file"))
    assert result.returncode == 2
    assert "cannot be used: it is a file." in result.stderr
    assert "Name a folder with --data." in result.stderr
    assert "Traceback" not in result.stderr


def test_a_name_that_leads_nowhere_is_no_taken_port(tmp_path: Path) -> None:
    result = ramal("serve", "--data", str(tmp_path), RAMAL_PORT_BASE="9430", RAMAL_LISTEN="nowhere.invalid")
    assert result.returncode == 2
    assert "Set RAMAL_LISTEN to an address of this machine." in result.stderr


def test_a_damaged_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ramal.sqlite3").write_bytes(b"garbage" * 1000)
    result = ramal("serve", "--data", str(tmp_path))
    assert result.returncode == 2
    assert "backup" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_told_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = ramal("serve", "--data", str(tmp_path), RAMAL_PORT_BASE="9430", RAMAL_WEB_PORT=str(port))
    assert result.returncode == 2
    assert f"port {port}" in result.stderr
    assert "RAMAL_WEB_PORT" in result.stderr


def test_an_agents_token_acts_for_an_extension(tmp_path: Path) -> None:
    result = ramal("token", "create", "--role", "agent", "--extension", "1001", "--data", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["extension"] == "1001"
    assert ramal("token", "create", "--role", "agent", "--extension", "ana", "--data", str(tmp_path)).returncode == 2


@pytest.mark.parametrize("setting", ["RAMAL_SIP_PORT", "RAMAL_SIP_TLS_PORT", "RAMAL_MQTT_PORT"])
def test_every_taken_port_is_told_in_two_lines(tmp_path: Path, setting: str) -> None:
    kind = socket.SOCK_DGRAM if setting == "RAMAL_SIP_PORT" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        result = ramal("serve", "--data", str(tmp_path), RAMAL_PORT_BASE="9530", **{setting: str(port)})
    assert result.returncode == 2
    told = [line for line in result.stderr.splitlines() if line.startswith("ramal: ")]
    assert len(told) == 1
    assert str(port) in told[0]
    assert "Traceback" not in result.stderr
    assert setting in result.stderr


def test_a_token_is_made_for_a_role_and_printed_as_json(tmp_path: Path) -> None:
    result = ramal("token", "create", "--role", "manager", "--data", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["role"] == "manager"
    assert len(json.loads(result.stdout)["token"]) > 30


def test_a_role_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    result = ramal("token", "create", "--role", "boss", "--data", str(tmp_path))
    assert result.returncode == 2
    assert "agent, manager, owner, administrator" in result.stderr


def test_a_data_folder_that_is_not_there_is_not_made_by_mistake(tmp_path: Path) -> None:
    result = ramal("recordings", "list", "--data", str(tmp_path / "typo"))
    assert result.returncode == 2
    assert not (tmp_path / "typo").exists()


def test_a_wrong_rate_line_is_named_and_nothing_is_stored(tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("prefix,kind,price_per_minute,currency\n7,landline,0.72,RUB\n7,mobile,cheap,RUB\nx,,1,RUB\n")
    result = ramal("rates", "import", str(rates), "--data", str(tmp_path))
    assert result.returncode == 2
    # Before it the log tells that the database was made.
    first, *lines, hint = result.stderr.partition("ramal: ")[2].splitlines()
    assert first == "The rate file was not imported."
    assert [line.split(":")[0].strip() for line in lines] == ["Line 3", "Line 4"]
    assert hint.strip() == "Correct these lines and import again."
    rates.write_text("prefix,kind,price_per_minute,currency\n7,landline,0.72,RUB\n7,mobile,1.57,RUB\n")
    result = ramal("rates", "import", str(rates), "--data", str(tmp_path), "--json")
    assert json.loads(result.stdout)["imported"] == 2
