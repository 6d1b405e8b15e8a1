"""Fuzz what strangers can send: `python -m tests.fuzz TARGET [libFuzzer options] [FOLDER]`, or all targets for long without one.

Inputs that found something new are kept in the folder (without one, for the run only); the run of all targets keeps them
below var/fuzz, where its next one begins.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FunctionType

from tests.fuzz import native_targets
from tests.fuzz.targets import TARGETS

SECONDS_EACH = 600
HERE = Path(__file__).parent
SEEDS = {
    "message": [HERE.parent / "sip" / "rfc4475"],
    "sdp": [HERE / "seeds" / "sdp"],
    "stream": [HERE / "seeds" / "stream"],
    "frame": [HERE.parent / "sip" / "rfc4475"],
    "presence": [HERE / "seeds" / "presence"],
    "credentials": [HERE / "seeds" / "credentials"],
}
"""Where each target begins."""


def fuzz(name: str, arguments: list[str]) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    # The functions as they stand in memory: not every import passes the hook that atheris has for it.
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and (thing.__module__ or "").startswith("sip."):
            atheris.instrument_func(thing)
    # What is found is kept in the first folder, which must never be that of the seeds.
    kept = [] if any(not argument.startswith("-") for argument in arguments) else [tempfile.mkdtemp(prefix="fuzz-")]
    seeds = [str(folder) for folder in SEEDS[name] if folder.is_dir()]
    atheris.Setup([name, *arguments, *kept, *seeds], TARGETS[name])
    atheris.Fuzz()


def fuzz_all() -> int:
    """Fuzz all targets one after the other; return how many of them failed."""
    failed = 0
    for name in SEEDS:
        kept = Path("var/fuzz") / name
        kept.mkdir(parents=True, exist_ok=True)
        options = [f"-max_total_time={SECONDS_EACH}", f"-artifact_prefix={kept}/", "-print_final_stats=1", str(kept)]
        failed += subprocess.run([sys.executable, "-m", "tests.fuzz", name, *options], check=False).returncode != 0
    return failed + fuzz_native()


def fuzz_native() -> int:
    """Fuzz the media engine, where clang is; return 1 if it failed."""
    if native_targets.compiler() is None:
        print("The media engine is left out: clang is not installed.", file=sys.stderr)
        return 0
    kept = Path("var/fuzz/media")
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as seeds:
        native_targets.write_seeds(Path(seeds))
        options = [
            f"-max_total_time={SECONDS_EACH}",
            f"-artifact_prefix={kept}/",
            "-print_final_stats=1",
            str(kept),
            seeds,
        ]
        return int(subprocess.run([str(native_targets.build()), *options], check=False).returncode != 0)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in SEEDS:
        fuzz(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(fuzz_all())
