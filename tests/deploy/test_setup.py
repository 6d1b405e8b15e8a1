"""The set-up of a checkout: what it reads, what it says, and that it does nothing twice."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy" / "setup.py"


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working on an empty folder."""
    spec = importlib.util.spec_from_file_location("checkout_setup", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "STAMPS", tmp_path / ".venv" / "stamps")
    monkeypatch.setattr(module, "BUILD_LOCK", tmp_path / "deploy" / "build.lock")
    (tmp_path / "deploy").mkdir()
    (tmp_path / ".venv").mkdir()
    return module


def commands_of(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the commands instead of running them."""
    commands: list[list[str]] = []
    monkeypatch.setattr(setup, "run", lambda command, *_rest, **_options: commands.append(command))
    return commands


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "deploy").glob("debian-packages*.txt")))
def test_every_line_of_the_lists_is_a_package_and_a_command_that_checks_it(setup: ModuleType, name: str) -> None:
    packages = setup.read_packages((ROOT / "deploy" / name).read_text(encoding="utf-8"))
    assert packages
    for package, check in packages:
        assert package.replace("-", "").replace("+", "").isalnum()
        assert subprocess.run(["sh", "-n", "-c", check], check=False).returncode == 0


def test_comments_and_empty_lines_are_no_packages(setup: ModuleType) -> None:
    assert setup.read_packages("# a comment\n\n  \nsox   command -v sox\n") == [("sox", "command -v sox")]


def test_only_packages_whose_check_fails_are_installed(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    (setup.ROOT / "deploy" / "list.txt").write_text("one true\ntwo false\n")
    monkeypatch.setattr(setup.os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup.shutil, "which", lambda name: f"/usr/bin/{name}")
    commands = commands_of(setup, monkeypatch)
    setup.install_packages(["list.txt"])
    assert commands == [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "two"]]


def test_services_that_came_with_the_tests_packages_are_stopped_and_no_others(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (setup.ROOT / "deploy" / "list.txt").write_text("mosquitto false\ncoturn true\nsox false\n")
    stopped: list[list[str]] = []
    monkeypatch.setattr(setup, "stop_services", lambda services, _prefix: stopped.append(services))
    monkeypatch.setattr(setup.os, "geteuid", lambda: 0)
    monkeypatch.setattr(setup.shutil, "which", lambda name: f"/usr/bin/{name}")
    commands_of(setup, monkeypatch)
    setup.install_packages(["list.txt"])
    assert stopped == [["mosquitto"]]


def test_a_user_without_sudo_is_told_the_one_command_to_run(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    (setup.ROOT / "deploy" / "list.txt").write_text("one false\ntwo false\n")
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(setup.shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}")
    with pytest.raises(
        SystemExit, match=r"Run as root: apt-get update && apt-get install -y --no-install-recommends one two$"
    ):
        setup.install_packages(["list.txt"])


def test_a_system_that_is_no_debian_is_told_what_is_missing(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    (setup.ROOT / "deploy" / "list.txt").write_text("g++ false\n")
    monkeypatch.setattr(setup.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"missing: g\+\+"):
        setup.install_packages(["list.txt"])


def test_a_command_that_fails_shows_its_last_lines_and_a_remedy(
    setup: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"It went wrong\.\n  Do this\."):
        setup.run(["sh", "-c", "seq 100; exit 3"], "It went wrong.", "Do this.")
    assert capsys.readouterr().err.splitlines() == [str(number) for number in range(89, 101)]


def test_what_was_built_is_built_again_only_when_a_source_changes(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = setup.ROOT / "media" / "native"
    native.mkdir(parents=True)
    (setup.ROOT / "pyproject.toml").touch()
    (native / "CMakeLists.txt").write_text("project(engine)")
    (native / "loop.cpp").write_text("int one;")
    (setup.ROOT / "media" / "_engine.so").touch()
    commands = commands_of(setup, monkeypatch)
    setup.build_engine()
    for left_by_cmake in ("CMakeCache.txt", "build.ninja", "libnanobind-static.a"):
        (native / left_by_cmake).write_text("anything")
    setup.build_engine()
    assert len(commands) == 1
    (native / "loop.cpp").write_text("int two;")
    setup.build_engine()
    assert len(commands) == 2


def test_a_venv_of_another_folder_or_without_its_python_is_made_anew(setup: ModuleType) -> None:
    def venv(shebang: str, *, python: bool = True) -> bool:
        (setup.VENV / "bin").mkdir(parents=True, exist_ok=True)
        setup.PYTHON.unlink(missing_ok=True)
        setup.PYTHON.symlink_to(sys.executable if python else "/nowhere/python3")
        (setup.VENV / "bin" / "pip").write_text(f"#!{shebang}\nimport sys\n")
        setup.discard_strange_venv()
        return bool(setup.VENV.exists())

    assert venv(f"{setup.VENV}/bin/python3")
    assert not venv("/home/somebody/ramal/.venv/bin/python3")
    assert not venv(f"{setup.VENV}/bin/python3", python=False)
    setup.VENV.mkdir()
    setup.discard_strange_venv()
    assert not setup.VENV.exists()


def test_a_file_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    # A list of packages that is a folder: not even root can read it.
    (tmp_path / "deploy" / "debian-packages.txt").mkdir(parents=True)
    (tmp_path / "deploy" / "setup.py").write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, tmp_path / "deploy" / "setup.py", "web"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "call make again" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_digest_tells_contents_and_names_apart(setup: ModuleType) -> None:
    first, second = setup.ROOT / "a", setup.ROOT / "b"
    first.write_text("x")
    second.write_text("x")
    assert len({setup.digest([first]), setup.digest([second]), setup.digest([first, second])}) == 3


@pytest.mark.parametrize(
    ("text", "enough"),
    [("v24.19.0\n", True), ("v20.19.0\n", True), ("v20.18.3\n", False), ("v18.20.4\n", False), ("", False)],
)
def test_node_must_be_new_enough(setup: ModuleType, text: str, *, enough: bool) -> None:
    assert (setup.node_version(text) >= setup.OLDEST_NODE) is enough


def test_a_wrong_purpose_is_answered_with_the_usage() -> None:
    result = subprocess.run([sys.executable, SCRIPT, "dance"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "run|demo|test|bench|fuzz|web" in result.stderr


@pytest.mark.parametrize(
    ("purpose", "lists", "lock"),
    [
        ("run", [""], "requirements.lock"),
        ("test", ["", "-test"], "requirements-dev.lock"),
        ("bench", ["", "-test", "-bench"], "requirements-dev.lock"),
        ("fuzz", ["", "-test", "-fuzz"], "requirements-dev.lock"),
    ],
)
def test_each_purpose_installs_what_it_needs_and_no_more(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, purpose: str, lists: list[str], lock: str
) -> None:
    installed: list[object] = []
    monkeypatch.setattr(setup, "install_packages", installed.append)
    monkeypatch.setattr(setup, "install_python", installed.append)
    for step in ("wait_for_turn", "build_engine", "build_web"):
        monkeypatch.setattr(setup, step, lambda: None)
    setup.main(purpose)
    assert installed == [[f"debian-packages{name}.txt" for name in lists], lock]


def test_make_alone_lists_every_target() -> None:
    result = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    named = {line.split()[1] for line in result.stdout.splitlines()}
    assert {"demo", "run", "test", "lint", "bench"} <= named
