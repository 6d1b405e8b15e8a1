"""Lamps of real extensions' calls over a network that loses packets: after whatever happened, each shows what is so."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company, CompanySettings
from core.database import Database
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates
from pbx.lamps import Lamps
from pbx.live import WatchedLeg
from pbx.party import LegState, Party
from sip.event_package import Standing
from sip.message import Request
from sip.uri import Uri
from sip.xml import Element, parse_xml
from tests.sip.watcher import Scene

ANA = Party("1001", "Ana", extension="1001")
OUTSIDE = Party("+79161112233", "Customer", trunk="carrier")
URI = Uri("sip", "1002", "10.0.0.2")
STATES = {LegState.RINGING: "early", LegState.ANSWERED: "confirmed"}


def leg(number: int, state: LegState = LegState.RINGING, *, incoming: bool = False, remote: Party = ANA) -> WatchedLeg:
    return WatchedLeg(f"leg{number}", state, incoming, False, remote, f"call{number}", "ours", "theirs")


class Office:
    """Extension 1002 has these legs; alice is another extension's user."""

    def __init__(self, directory: Directory, company: Company, stage: Scene) -> None:
        self.legs: list[WatchedLeg] = []
        self.company = company
        self.stage = stage
        self.states = ExtensionStates(EventBus())
        self.lamps = Lamps(stage.notifier, directory, company, self.states, lambda _extension: self.legs)
        stage.notifier.offer(self.lamps)
        stage.application.users = {"1003": "secret"}
        stage.watcher.user = "1003"

    def set(self, *legs: WatchedLeg) -> None:
        self.legs = list(legs)
        if self.states.on_calls is not None:
            self.states.on_calls(["1002"])

    def listens(self) -> bool:
        return self.states.on_calls is not None

    def seen(self, watcher: str = "1003") -> list[Element]:
        return list(parse_xml(self.lamps.feed("1002", watcher, URI).body()).all("dialog"))


async def directory_of(folder: Path) -> tuple[Database, Directory, Company]:
    database = Database(f"sqlite+aiosqlite:///{folder}/test.sqlite3")
    await database.create_all()
    company = Company(database)
    await company.save(CompanySettings())
    directory = Directory(database, company, SystemClock(), realm="ramal")
    for number, name in (("1001", "Ana"), ("1002", "Boris"), ("1003", "Clara")):
        await directory.create_extension(number=number, name=name, password="correct horse")
    return database, directory, company


@pytest.fixture(params=[(0.0, 1)], ids=["no loss"])
async def office(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Office]:
    loss, seed = request.param
    database, directory, company = await directory_of(tmp_path)
    yield Office(directory, company, Scene(loss=loss, seed=seed))
    await database.close()


def remote(dialog: Element) -> str:
    party = dialog.first("remote")
    identity = party.first("identity") if party is not None else None
    return identity.text if identity is not None else ""


async def test_an_idle_extension_says_so(office: Office) -> None:
    (dialog,) = office.seen()
    assert dialog.attributes == {"id": "1002"}
    assert [state.text for state in dialog.all("state")] == ["terminated"]


@pytest.mark.parametrize(
    ("state", "incoming", "told"),
    [
        (LegState.TRYING, False, "trying"),
        (LegState.TRYING, True, "proceeding"),
        (LegState.RINGING, False, "early"),
        (LegState.RINGING, True, "early"),
        (LegState.ANSWERED, False, "confirmed"),
    ],
)
async def test_each_state_of_a_leg_is_told(office: Office, state: LegState, incoming: bool, told: str) -> None:
    office.legs = [leg(1, state, incoming=incoming)]
    (dialog,) = office.seen()
    assert [one.text for one in dialog.all("state")] == [told]
    assert dialog.attributes["direction"] == ("initiator" if incoming else "recipient")


async def test_a_pick_up_is_offered_for_what_rings_and_for_the_own_call(office: Office) -> None:
    office.legs = [
        leg(1),
        leg(2, LegState.ANSWERED),
        leg(3, incoming=True),
        replace(leg(4), remote_tag=""),
    ]
    assert ["call-id" in dialog.attributes for dialog in office.seen()] == [True, False, False, False]
    assert office.seen()[0].attributes["local-tag"] == "ours"
    assert ["call-id" in dialog.attributes for dialog in office.seen("1002")] == [True, True, True, False]


async def test_outside_numbers_are_kept_from_colleagues(office: Office) -> None:
    office.legs = [leg(1), leg(2, remote=OUTSIDE), leg(3, remote=Party("1001")), leg(4, remote=Party(""))]
    assert list(map(remote, office.seen())) == ["sip:1001@10.0.0.2", "", "sip:1001@10.0.0.2", ""]
    assert remote(office.seen("1002")[1]) == "sip:+79161112233@10.0.0.2"
    await office.company.save(CompanySettings(lamps_show_callers=True))
    assert remote(office.seen()[1]) == "sip:+79161112233@10.0.0.2"


async def test_an_ended_call_is_told_as_such_until_the_watcher_knows(office: Office) -> None:
    feed = office.lamps.feed("1002", "1003", URI)
    office.legs = [leg(1)]
    feed.body()
    feed.delivered()
    office.legs = [leg(2)]

    def told() -> dict[str, str]:
        dialogs = parse_xml(feed.body()).all("dialog")
        return {one.attributes["id"]: one.first("state").text for one in dialogs}  # type: ignore[union-attr]

    assert told() == {"leg1": "terminated", "leg2": "early"}
    assert told() == {"leg1": "terminated", "leg2": "early"}, "the first one may be lost"
    feed.delivered()
    assert told() == {"leg2": "early"}


async def test_users_of_the_company_watch_its_extensions(office: Office) -> None:
    lamps = office.lamps
    assert lamps.resource(Uri("sip", "1002", "x"), "1003") == "1002"
    assert lamps.resource(Uri("sip", "1009", "x"), "1003") == ""
    assert lamps.standing("1002", "1003") is Standing.GRANTED
    assert lamps.standing("1009", "1003") is Standing.UNKNOWN
    assert lamps.standing("1002", "stranger") is Standing.FORBIDDEN


async def test_calls_are_listened_to_only_while_somebody_watches(office: Office) -> None:
    assert not office.listens()
    assert office.stage.watcher.subscribe("dialog", "1002").status == 200
    assert office.listens()
    office.stage.watcher.refresh("dialog", "1002", expires="0")
    office.set(leg(1))
    assert not office.listens()


class LampKey:
    """A key of a phone: lit as long as it knows of a call that has not ended, by whatever document came last."""

    def __init__(self) -> None:
        self.calls: dict[str, str] = {}
        self.version = -1

    def told(self, notify: Request) -> None:
        root = parse_xml(notify.body)
        version = int(root.attributes["version"])
        assert version > self.version, "a document came twice or late"
        self.version = version
        for dialog in root.all("dialog"):
            (state,) = [one.text for one in dialog.all("state")]
            self.calls.pop(dialog.attributes["id"], None)
            if state != "terminated":
                self.calls[dialog.attributes["id"]] = state


@pytest.mark.parametrize("office", [(0.1, seed) for seed in range(8)], indirect=True)
async def test_a_lamp_is_right_after_a_hundred_events_with_a_tenth_of_the_packets_lost(office: Office) -> None:
    stage, key = office.stage, LampKey()
    stage.watcher.on_notify = key.told
    assert stage.watcher.subscribe("dialog", "1002").status == 200
    dice = random.Random(stage.network.seed)
    number = 0
    for _ in range(100):
        legs = list(office.legs)
        chosen = dice.randrange(len(legs)) if legs else 0
        event = dice.random()
        if not legs or (event < 0.3 and len(legs) < 3):
            number += 1
            legs.append(leg(number, incoming=dice.random() < 0.5))
        elif event < 0.6:
            legs[chosen] = replace(legs[chosen], state=LegState.ANSWERED)
        elif event < 0.7:
            legs[chosen] = replace(legs[chosen], held=not legs[chosen].held)
        else:
            del legs[chosen]
        office.set(*legs)
        stage.run(dice.choice((0.0, 0.01, 0.3, 2.0)))
    stage.run(70)
    assert key.calls == {one.id: STATES[one.state] for one in office.legs}
    assert len(stage.notifier) == 1
