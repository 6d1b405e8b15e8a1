"""The verbs of a call that deal with one party: answer, ring, play, say, menu, collect, and the spoken end of a call that failed."""

from __future__ import annotations

import asyncio
from typing import Final

from pbx import spoken
from pbx.equipment import Equipment
from pbx.errors import CallStateError
from pbx.leg import Leg
from pbx.outcomes import ENDINGS, Outcome

KEY_END: Final = "#"
"""The key that ends what is collected."""


class PartyVerbs:
    """What a flow can do with the caller or another leg; `pbx.call.Call` adds the verbs that join legs."""

    __slots__ = ("caller", "equipment", "outcome")

    equipment: Equipment
    caller: Leg | None
    outcome: Outcome | None
    """Why nobody was reached, once that is known."""

    @property
    def calling(self) -> Leg:
        """The calling leg.

        Raises:
            CallStateError: there is none yet.
        """
        if self.caller is None:
            raise CallStateError("The call has no calling party yet.")
        return self.caller

    def answer(self) -> None:
        """Take the caller's call, if that was not done before."""
        self.calling.answer()

    def ring(self) -> None:
        """Tell the caller that it rings."""
        self.calling.ring()

    async def play(self, prompt: str, leg: Leg | None = None) -> None:
        """Play a prompt to a leg (by default the caller) to its end, in the language of whom it is for."""
        leg = leg or self.calling
        sound = await spoken.prompt(self.equipment, prompt, self.equipment.language(leg.party.extension))
        if sound is not None and leg.alive:
            await leg.play_to_end(sound)

    async def say(self, words: str, leg: Leg | None = None) -> None:
        """Speak free text to a leg (by default the caller) to its end."""
        leg = leg or self.calling
        sound = await spoken.text(self.equipment, words, self.equipment.language(leg.party.extension))
        if sound is not None and leg.alive:
            await leg.play_to_end(sound)

    async def collect(self, leg: Leg, *, longest: int = 20, first: float, following: float) -> str:
        """Collect keys until `#`, `longest` keys, or a pause.

        Args:
            leg: whose keys.
            longest: keys that are enough.
            first: seconds to wait for the first key.
            following: seconds to wait for each further one.
        """
        keys: asyncio.Queue[str] = asyncio.Queue()
        leg.keys = keys
        collected = ""
        try:
            while len(collected) < longest:
                key = await asyncio.wait_for(keys.get(), following if collected else first)
                leg.stop_playing()
                if key == KEY_END:
                    break
                collected += key
        except TimeoutError:
            pass
        finally:
            leg.keys = None
        return collected

    async def menu(self, prompt: str, *, choices: str, seconds: float = 5.0, tries: int = 3) -> str | None:
        """Answer, play a prompt and wait for one of the choices; None after so many tries."""
        self.answer()
        for _ in range(tries):
            sound = await spoken.prompt(self.equipment, prompt, self.equipment.language())
            if sound is not None:
                self.calling.play(sound)
            key = await self.collect(self.calling, longest=1, first=seconds + 10.0, following=seconds)
            if key and key in choices:
                return key
        return None

    async def fail(self, outcome: Outcome) -> None:
        """Tell the caller in words why nobody was reached, then end the call with the status that says so."""
        self.outcome = outcome
        caller = self.caller
        prompt = ENDINGS[outcome].prompt
        if caller is None or not caller.alive or not prompt or not self.equipment.config.spoken_hints:
            return
        if not caller.takes_words:
            return
        sound = await spoken.prompt(self.equipment, prompt, self.equipment.language(caller.party.extension))
        if sound is not None and (caller.answered or caller.open_early()):
            await caller.play_to_end(sound, limit=self.equipment.config.hint_seconds)
