"""The live calls of this node: each one's start and end, and what users ask of them by id."""

from __future__ import annotations

from core.events import Direction, TransferKind
from pbx import features, live, numbers, route_test, routing
from pbx.call import Call, Flow
from pbx.call_recording import CallRecordingState
from pbx.conferences import Room
from pbx.conversation import Conversation
from pbx.entries import Contact
from pbx.equipment import Equipment
from pbx.errors import CallStateError, InvalidEntryError, UnknownCallError, UnreachableError
from pbx.extension_states import ExtensionStates
from pbx.flows.placed import clicked
from pbx.flows.supervision import Watching, rung_supervision
from pbx.live import CallView, WatchedLeg
from pbx.outcomes import Outcome
from pbx.party import Party
from pbx.requests import CancelTransfer, CompleteTransfer, Consult, TransferBlind
from pbx.route_test import Grounds, RouteTest
from pbx.routing import (
    Decision,
    ToExtension,
    ToInboundNumber,
    ToOutside,
    ToOwnPhones,
    ToPickUp,
    ToService,
    ToSupervision,
)
from pbx.supervision import SuperviseMode


class LiveCalls:
    """Knows all live calls and acts on them; `pbx.switch.Switch` adds what begins them."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._calls: dict[str, Call] = {}
        # Bound once for all calls.
        self._hear_change = self._call_changed
        self.extensions = ExtensionStates(equipment.bus)
        equipment.occupied = self.extensions.occupied
        equipment.talking = self._talking

    def _new_call(self, direction: Direction, party: Party, to_number: str, dialled: str) -> Call:
        call = Call(
            self._equipment,
            direction,
            from_party=party,
            to_number=to_number,
            dialled=dialled[:64],
            changed=self._hear_change,
        )
        self._calls[call.id] = call
        return call

    def _run(self, call: Call, flow: Flow) -> None:
        call.changed("call.offered")
        if call.caller is not None and not call.caller.acceptable:
            flow = refuse(Outcome.NO_MEDIA)
        call.start(flow)

    def _call_changed(self, call: Call, kind: str) -> None:
        if call.ended:
            self._calls.pop(call.id, None)
        self.extensions.update(call)
        if self._equipment.bus.heard(kind):
            self._equipment.bus.publish(kind, live.view(call).payload(), call_id=call.id)

    # --- what users ask for ----------------------------------------------------------------------------------------------

    def calls(self) -> list[CallView]:
        """Return all live calls, oldest first."""
        return [live.view(call) for call in self._calls.values()]

    def call(self, call_id: str) -> CallView:
        """Return one live call.

        Raises:
            UnknownCallError: there is none with this id.
        """
        return live.view(self._find(call_id))

    def watched(self, extension: str) -> list[WatchedLeg]:
        """Return what an extension's legs in live calls do, for those who watch it."""
        calls = [self._calls.get(call_id) for call_id in self.extensions.calls(extension)]
        return [leg for call in calls if call is not None for leg in live.watched_legs(call, extension)]

    def originate(self, from_extension: str, to: str, *, detect_machine: bool = False) -> CallView:
        """Click to call: ring the extension's phones, then dial `to` for whoever takes it.

        With `detect_machine` it is judged whether a person or a machine takes it there.

        Raises:
            InvalidEntryError: no such extension, or nothing that can be dialled.
            UnreachableError: none of the extension's phones is registered.
        """
        equipment = self._equipment
        snapshot = equipment.directory.snapshot
        extension = snapshot.extensions.get(from_extension)
        if extension is None or not extension.enabled:
            raise InvalidEntryError(f"from: there is no extension “{from_extension[:20]}”.")
        decision = routing.route(
            snapshot, to, country=equipment.country, from_extension=from_extension, at=equipment.local_time
        )
        if isinstance(decision, routing.Refused):
            raise InvalidEntryError(f"to: “{to[:40]}” cannot be called: {decision.explanation[-1]}.")
        if isinstance(decision, ToOwnPhones):
            raise InvalidEntryError("to: that is the extension that calls.")
        if isinstance(decision, ToPickUp | ToService | ToSupervision):
            raise InvalidEntryError("to: star codes are dialled on a phone.")
        if not self.contacts(from_extension):
            raise UnreachableError(f"No phone of extension {from_extension} is registered.")
        wanted = numbers.without_privacy(to)
        private = wanted is not None
        direction, to_number = bound_for(decision, to if wanted is None else wanted)
        party = Party(extension.number, extension.name, extension=extension.number, private=private)
        call = self._new_call(direction, party, to_number, to)
        call.offer()
        self._run(call, clicked(extension, decision, detect_machine=detect_machine))
        return live.view(call)

    def transfer(self, call_id: str, to: str, kind: TransferKind, *, by_extension: str = "") -> None:
        """Begin a transfer on behalf of an agent in the call.

        An attended one is completed by the agent's hanging up or by `complete_transfer`.

        Raises:
            UnknownCallError: there is no such call.
            CallStateError: nobody talks in it, or a transfer is under way.
        """
        call = self._find(call_id)
        conversation = self._conversation(call)
        if call.transferring:
            raise CallStateError("A transfer is under way already.")
        agent = conversation.agent(by_extension)
        if kind is TransferKind.BLIND:
            call.ask(TransferBlind(agent, to))
        else:
            call.ask(Consult(agent, to))

    def complete_transfer(self, call_id: str) -> None:
        """End a consultation well: the agent leaves."""
        self._transferring(call_id).ask(CompleteTransfer())

    def cancel_transfer(self, call_id: str) -> None:
        """End a consultation without effect: the customer comes back to the agent."""
        self._transferring(call_id).ask(CancelTransfer())

    def watch_voice(self, call_id: str, *, on: bool) -> CallView:
        """Tell as live events when each party of a call begins and ends to speak, or no more.

        Raises:
            UnknownCallError: there is no such call.
        """
        call = self._find(call_id)
        for leg in call.legs:
            leg.watch_voice(on=on)
        return live.view(call)

    def supervise(self, call_id: str, by_extension: str, mode: SuperviseMode) -> CallView:
        """Let an extension hear a call: its phones ring; one that does so already does from now on what the mode says.

        Raises:
            UnknownCallError: there is no such call.
            CallStateError: nobody talks in it, or the extension is one of those who do.
            InvalidEntryError: there is no such extension.
            UnreachableError: none of its phones is registered.
        """
        target = self._find(call_id)
        conversation = self._conversation(target)
        for other in self._calls.values():
            watching = other.conversation
            if isinstance(watching, Watching) and watching.is_of(by_extension, call_id):
                watching.change(mode)
                return live.view(other)
        extension = self._equipment.directory.snapshot.extensions.get(by_extension)
        if extension is None or not extension.enabled:
            raise InvalidEntryError(f"from: there is no extension “{by_extension[:20]}”.")
        if target.passed:
            raise CallStateError(f"The call speaks {target.passed}, which is only passed on: nobody else can hear it.")
        if any(leg.party.extension == by_extension for leg in target.legs):
            raise CallStateError("Who takes part in a call cannot supervise it.")
        if not self.contacts(by_extension):
            raise UnreachableError(f"No phone of extension {by_extension} is registered.")
        watched = conversation.agent().party
        party = Party(extension.number, extension.name, extension=extension.number)
        call = self._new_call(Direction.INTERNAL, party, watched.number, watched.number)
        call.offer()
        self._run(call, rung_supervision(extension, target, watched.extension, mode))
        return live.view(call)

    def conference(self, number: str) -> Room | None:
        """Return the conference that goes on in a room, if anybody is there."""
        return self._equipment.rooms.get(number)

    def hold(self, call_id: str, *, by_extension: str = "") -> None:
        """Put a call on hold: the other party hears music."""
        self._conversation(self._find(call_id)).hold(by_extension)

    def resume(self, call_id: str) -> None:
        """Take a call up again that `hold` put on hold."""
        self._conversation(self._find(call_id)).resume()

    def record(self, call_id: str, *, by_extension: str = "") -> CallRecordingState:
        """Switch the recording of a call on or off, and return what it is now."""
        call = self._find(call_id)
        self._conversation(call)
        return call.record(by_extension=by_extension)

    def request_lead(self, call_id: str, *, by_extension: str = "") -> None:
        """Have the CRM make the call's customer a lead."""
        features.request_lead(self._find(call_id), by_extension)

    def request_contact(self, call_id: str, *, by_extension: str = "") -> None:
        """Have the CRM make the call's customer a contact."""
        features.request_contact(self._find(call_id), by_extension)

    def hang_up(self, call_id: str, reason: str = "Hung up by the web app") -> None:
        """End a call."""
        self._find(call_id).hang_up(reason)

    async def explain(self, dialled: str, *, from_extension: str = "", trunk: str = "") -> RouteTest:
        """Return where a call would go and why; with `trunk`, where one that it brings would go.

        Raises:
            InvalidEntryError: there is no such extension or trunk, or both are named.
        """
        grounds = Grounds.of(self._equipment)
        return await route_test.explain(grounds, dialled, from_extension=from_extension, trunk=trunk)

    def contacts(self, extension: str) -> list[Contact]:
        """Return the registered phones of an extension."""
        return [
            Contact(username, str(binding.uri), _source(binding.source), binding.expires_at, binding.user_agent)
            for username in self._equipment.directory.snapshot.usernames.get(extension, ())
            for binding in self._equipment.sip.bindings(username)
        ]

    def _find(self, call_id: str) -> Call:
        call = self._calls.get(call_id)
        if call is None:
            raise UnknownCallError("There is no live call with this id.")
        return call

    def _conversation(self, call: Call) -> Conversation:
        if not isinstance(call.conversation, Conversation):
            raise CallStateError("Nobody is talking in this call.")
        return call.conversation

    def _talking(self, extension: str) -> Call | None:
        """Return the call in which an extension talks to somebody."""
        calls = [self._calls.get(call_id) for call_id in self.extensions.calls(extension)]
        return next((call for call in calls if call and isinstance(call.conversation, Conversation)), None)

    def _transferring(self, call_id: str) -> Call:
        call = self._find(call_id)
        if not call.transferring:
            raise CallStateError("No transfer is under way in this call.")
        return call


def bound_for(decision: Decision, dialled: str) -> tuple[Direction, str]:
    """Return the direction of a call that goes where routing decided, and the number it is for."""
    match decision:
        case ToOutside(number):
            return Direction.OUTBOUND, number
        case ToExtension():
            # A forwarded extension stays the number that was called.
            return Direction.INTERNAL, dialled[:40]
        case ToInboundNumber(entry):
            return Direction.INTERNAL, entry.number
        case _:
            return Direction.INTERNAL, dialled[:40]


def refuse(outcome: Outcome) -> Flow:
    """Return the flow of a call that fails: the caller hears why."""

    async def run(call: Call) -> None:
        """Fail the call."""
        await call.fail(outcome)

    return run


def _source(source: tuple[str, int, str]) -> str:
    return f"{source[2]}:{source[0]}:{source[1]}"
