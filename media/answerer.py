"""Who took a call, a person or an answering machine: told by how it begins to speak.

A person says a short word and waits; a machine goes on speaking. Only lengths of voice and of silence count, as the engine tells them
(`VoiceBegan`, `VoiceEnded`); what is said and in which language does not. `docs/answering-machines.md` states how often it errs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Answerer(enum.StrEnum):
    """Who took a call."""

    PERSON = "person"
    MACHINE = "machine"
    UNKNOWN = "unknown"
    """Nothing was said, or neither the one nor the other."""


@dataclass(slots=True, frozen=True)
class AnswererLimits:
    """What tells a person from a machine, in seconds."""

    longest_greeting: float = 2.2
    """A person has said its word within so much voice, pauses left out."""
    silence_after: float = 1.2
    """A person waits for an answer at least so long."""
    longest_wait: float = 4.0
    """Who says nothing for so long is not judged."""
    longest: float = 8.0
    """Who was not judged until then is not judged at all."""


class AnswererJudge:
    """Judges one call, from the moment it is answered; times are seconds since then."""

    _HANGOVER = 0.4
    """Voice is told to have ended so long after its last sign."""

    def __init__(self, limits: AnswererLimits | None = None) -> None:
        self._limits = limits or AnswererLimits()
        self._spoken = 0.0
        self._began: float | None = None
        self._ended: float | None = None
        self.verdict: Answerer | None = None
        """Who it was, once that is known."""

    def voice_began(self, now: float) -> Answerer | None:
        """Take that the party begins to speak; return the verdict if there is one."""
        self._judge(now)
        self._began = now
        return self.verdict

    def voice_ended(self, now: float) -> Answerer | None:
        """Take that the party stopped speaking, which is told some 0.4 seconds later; return the verdict if there is one."""
        self._judge(now)
        if self._began is not None:
            self._ended = max(self._began, now - self._HANGOVER)
            self._spoken += self._ended - self._began
            self._began = None
        return self._judge(now)

    def wait(self, now: float) -> Answerer | None:
        """Take that time goes on; return the verdict if there is one."""
        return self._judge(now)

    @property
    def next_look(self) -> float:
        """When `wait` is due if nothing is heard until then."""
        limits = self._limits
        if self._began is not None:
            due = self._began + limits.longest_greeting - self._spoken
        elif self._ended is not None:
            due = self._ended + limits.silence_after
        else:
            due = limits.longest_wait
        return min(due, limits.longest)

    def _judge(self, now: float) -> Answerer | None:
        if self.verdict is not None or now < self.next_look:
            return self.verdict
        if now >= self._limits.longest or (self._began is None and self._ended is None):
            self.verdict = Answerer.UNKNOWN
        else:
            self.verdict = Answerer.PERSON if self._began is None else Answerer.MACHINE
        return self.verdict
