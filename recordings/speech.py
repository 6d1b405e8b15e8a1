"""Speech recognition: the small interface that recognisers have, and Vosk behind it.

Vosk runs in a process of its own (`recordings.speech_process`) with low priority: it is a large native library, and neither a broken model
nor a strange recording may take the calls down with it or slow them. The process is started when there is work, and ended after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from recordings.errors import SpeechFailedError, SpeechUnavailableError
from recordings.values import Segment

log = structlog.get_logger(__name__)

_HERE: Final = Path(__file__).resolve().parent.parent
"""Where the process finds this package, installed or not."""
_LOAD_SECONDS: Final = 300.0
_LONGEST_LINE: Final = 64 << 20
_END_SECONDS: Final = 5.0
_NEEDED: Final = (("am/final.mdl", "final.mdl"), ("conf/mfcc.conf", "mfcc.conf"))
_GRAPHS: Final = ("graph/HCLG.fst", "HCLG.fst", "graph/HCLr.fst", "HCLr.fst")
OFF_HINT: Final = (
    "Download a model from https://alphacephei.com/vosk/models, unpack it, and name its folder in "
    "RAMAL_SPEECH_VOSK_MODEL."
)


class SpeechReply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line from the recogniser's process: `ready` once, then segments or an error for each file."""

    ready: bool = False
    segments: tuple[Segment, ...] | None = None
    error: str = ""


class Recogniser(Protocol):
    """One that writes down what is said in a sound file."""

    model: str
    """The model's name, kept with what it wrote."""

    async def transcribe(self, audio: Path, seconds: float) -> list[Segment]:
        """Return what is said on each channel, in the order of its start.

        Args:
            audio: a sound file of this machine.
            seconds: its length, for how long it may take.

        Raises:
            SpeechUnavailableError: the recogniser cannot work at all at present.
            SpeechFailedError: it gave up on this file.
        """
        ...

    async def rest(self) -> None:
        """Let go of memory until there is work again."""
        ...


class VoskRecogniser:
    """Vosk with one model, in its own process."""

    def __init__(self, model_folder: Path, *, python: str = sys.executable) -> None:
        """Name the model, without loading it.

        Args:
            model_folder: where a Vosk model was unpacked.
            python: the interpreter of the process.
        """
        self.model = model_folder.name[:200]
        self._folder = model_folder.absolute()
        self._python = python
        self._process: asyncio.subprocess.Process | None = None

    def check(self) -> None:
        """See that the folder looks like a model; loading it is the real test.

        Raises:
            SpeechUnavailableError: it does not; the message says what is missing.
        """
        if not self._folder.is_dir():
            raise SpeechUnavailableError(f"There is no folder {self._folder} with a Vosk model.", hint=OFF_HINT)
        needed = (*_NEEDED, _GRAPHS)
        for names in needed:
            if not any((self._folder / name).is_file() for name in names):
                raise SpeechUnavailableError(
                    f"The folder {self._folder} is no Vosk model: it has no {names[0]}.",
                    hint="Name the folder that holds am, conf and graph; or unpack the model again.",
                )

    async def transcribe(self, audio: Path, seconds: float) -> list[Segment]:
        """Return what is said on each channel, in the order of its start; errors as of `Recogniser`."""
        process = self._process or await self._start()
        try:
            line = msgspec.json.encode({"audio": str(audio)}) + b"\n"
            process.stdin.write(line)  # type: ignore[union-attr]
            await process.stdin.drain()  # type: ignore[union-attr]
            # A slow machine needs about as long as the call took, a channel.
            reply = await self._reply(process, 60.0 + 10.0 * seconds)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            await self._end()
            raise SpeechFailedError(f"The recogniser ended or hung while it listened to {audio.name}.") from error
        except asyncio.CancelledError:
            await self._end()
            raise
        if reply.error:
            raise SpeechFailedError(reply.error[:500])
        return sorted(reply.segments or (), key=lambda segment: (segment.start, segment.channel))

    async def rest(self) -> None:
        """End the process."""
        await self._end()

    async def _start(self) -> asyncio.subprocess.Process:
        self.check()
        process = await asyncio.create_subprocess_exec(
            self._python,
            "-m",
            "recordings.speech_process",
            str(self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            cwd=_HERE,
            # Signals to the server's terminal are the server's; the process ends with its input.
            start_new_session=True,
        )
        self._process = process
        try:
            reply = await self._reply(process, _LOAD_SECONDS)
        except (TimeoutError, asyncio.IncompleteReadError, msgspec.DecodeError) as error:
            await self._end()
            raise SpeechUnavailableError(
                f"The Vosk model {self._folder} cannot be loaded: the recogniser ended.",
                hint="The model may be damaged, or larger than the memory; try a small one.",
            ) from error
        except asyncio.CancelledError:
            await self._end()
            raise
        if not reply.ready:
            await self._end()
            raise SpeechUnavailableError(
                f"The Vosk model {self._folder} cannot be loaded: {reply.error}",
                hint="Unpack it again; it may be damaged.",
            )
        log.info("speech_model_loaded", model=self.model)
        return process

    async def _reply(self, process: asyncio.subprocess.Process, seconds: float) -> SpeechReply:
        line = await asyncio.wait_for(process.stdout.readuntil(b"\n"), seconds)  # type: ignore[union-attr]
        return msgspec.json.decode(line, type=SpeechReply)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()
