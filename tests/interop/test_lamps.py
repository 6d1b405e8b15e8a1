"""Lamps of a whole server over real sockets: who rings, who talks, who may see what, and what survives a restart."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from pathlib import Path

import pytest

from pbx.errors import InvalidEntryError, UnreachableError
from pbx.extension_states import ExtensionState
from sip.presence_document import PresenceState, parse_presence, presence_document
from sip.xml import Element, parse_xml
from tests.support.lossy_relay import Weather, lossy_relay
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedPhone, description, scripted_carrier, scripted_phone
from tests.support.watching_phone import WatchingPhone, watching_phone

_VERSION = re.compile(rb'version="([0-9]+)" state')


def dialogs(phone: WatchingPhone, extension: str = "1002") -> list[Element]:
    body = phone.lamp(user=extension)
    return list(parse_xml(body.encode()).all("dialog")) if body else []


def lamp(phone: WatchingPhone, extension: str = "1002") -> set[str]:
    """The states of all dialogs but the ended ones; none before the first word."""
    if not dialogs(phone, extension):
        return set()
    states = {state.text for dialog in dialogs(phone, extension) for state in dialog.all("state")}
    return states - {"terminated"} or {"idle"}


def presence(phone: WatchingPhone) -> PresenceState:
    return parse_presence(phone.lamp("presence").encode())


async def test_a_lamp_follows_a_call_from_ringing_to_its_end(server: RamalServer) -> None:
    async with (
        watching_phone(server, "1003") as watcher,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        assert (await watcher.subscribe("dialog", "1002")).status == 200
        await watcher.until(lambda: lamp(watcher) == {"idle"}, "idle")
        call = ana.call("1002")
        ringing = await boris.incoming()
        ringing.session.progress(180)
        await watcher.until(lambda: lamp(watcher) == {"early"}, "ringing")
        (dialog,) = dialogs(watcher)
        assert dialog.attributes["direction"] == "recipient"
        assert dialog.attributes["call-id"]
        remote = dialog.first("remote")
        assert remote is not None
        assert remote.first("identity").attributes["display"] == "Ana"  # type: ignore[union-attr]
        ringing.session.answer(description())
        await call.answered()
        await watcher.until(lambda: lamp(watcher) == {"confirmed"}, "talking")
        assert "call-id" not in dialogs(watcher)[0].attributes, "nobody else may take a call that goes on"
        call.session.hang_up()
        await watcher.until(lambda: lamp(watcher) == {"idle"}, "idle again")
        versions = [parse_xml(notify.body).attributes["version"] for notify in watcher.notifies]
        assert versions == [str(number) for number in range(len(versions))]


async def test_the_lamp_of_one_who_refuses_goes_out_while_the_others_ring_on(server: RamalServer) -> None:
    async with (
        watching_phone(server, "1003") as watcher,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as desk,
        scripted_phone(server, "1002") as mobile,
    ):
        await watcher.subscribe("dialog", "1002")
        call = ana.call("1002")
        first, second = await desk.incoming(), await mobile.incoming()
        first.session.progress(180)
        second.session.progress(180)

        def ringing() -> int:
            return sum("early" in {state.text for state in one.all("state")} for one in dialogs(watcher))

        await watcher.until(lambda: ringing() == 2, "both phones ring")
        first.session.reject(486)
        await watcher.until(lambda: ringing() == 1, "one phone rings")
        call.session.hang_up()
        await watcher.until(lambda: lamp(watcher) == {"idle"}, "idle")


async def test_a_ringing_call_is_picked_up_with_what_the_lamp_tells(server: RamalServer) -> None:
    async with (
        watching_phone(server, "1003") as watcher,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
        scripted_phone(server, "1003") as clara,
    ):
        await watcher.subscribe("dialog", "1002")
        call = ana.call("1002")
        (await boris.incoming()).session.progress(180)
        await watcher.until(lambda: lamp(watcher) == {"early"}, "ringing")
        seen = dialogs(watcher)[0].attributes
        replaces = f"{seen['call-id']};to-tag={seen['local-tag']};from-tag={seen['remote-tag']};early-only"
        picked = clara.call("1002", headers=[("Replaces", replaces)])
        await picked.answered()
        await call.answered()
        await watcher.until(lambda: lamp(watcher) == {"idle"}, "1002 rings no more")
        call.session.hang_up()
        await picked.over()


@pytest.mark.parametrize("shown", [False, True])
async def test_outside_numbers_are_shown_only_where_the_company_wants_it(server: RamalServer, shown: bool) -> None:
    settings = server.company.settings.model_copy(update={"lamps_show_callers": shown})
    await server.company.save(settings)
    async with (
        watching_phone(server, "1003") as watcher,
        watching_phone(server, "1001") as own,
        scripted_phone(server, "1001") as ana,
        scripted_carrier(server, target="1001") as line,
    ):
        await watcher.subscribe("dialog", "1001")
        await own.subscribe("dialog", "1001")
        call = line.call("+74951112233")
        (await ana.incoming()).session.progress(180)
        for phone in (watcher, own):
            await phone.until(lambda phone=phone: lamp(phone, "1001") == {"early"}, "ringing")  # type: ignore[misc]
        assert ("9161112233" in watcher.lamp()) is shown
        assert "9161112233" in own.lamp(), "one's own caller is no secret"
        call.session.hang_up()
        await watcher.until(lambda: lamp(watcher, "1001") == {"idle"}, "idle")


async def test_a_phone_that_registers_again_is_told_all_it_watches(server: RamalServer) -> None:
    async with watching_phone(server, "1003") as watcher:
        await watcher.register()
        for event, target in (("dialog", "1002"), ("presence", "1001"), ("message-summary", "1003")):
            assert (await watcher.subscribe(event, target)).status == 200
        await watcher.until(lambda: len(watcher.notifies) == 3, "the first state of all three")
        assert await watcher.register() == 200
        await watcher.until(lambda: len(watcher.notifies) == 6, "the same again")


async def test_presence_tells_registration_calls_and_what_the_phone_publishes(server: RamalServer) -> None:
    async with watching_phone(server, "1003") as watcher, watching_phone(server, "1001") as ana:
        await watcher.subscribe("presence", "1001")
        await watcher.until(lambda: not presence(watcher).open, "offline")
        await ana.register()
        await watcher.until(lambda: presence(watcher) == PresenceState(open=True), "there")
        away = presence_document("sip:1001@x", PresenceState(open=True, activity="away", note="at lunch"))
        published = await ana.request(
            "PUBLISH", "1001", body=away, content_type="application/pidf+xml", Event="presence", Expires="600"
        )
        assert published.status == 200
        await watcher.until(lambda: presence(watcher).activity == "away", "away")
        await server.exchange.directory.update_extension(_id(server, "1001"), do_not_disturb=True)
        await watcher.until(lambda: presence(watcher).note == "Do not disturb", "not to be disturbed")
        await server.exchange.directory.update_extension(_id(server, "1001"), do_not_disturb=False)
        await watcher.until(lambda: presence(watcher).note == "at lunch", "away again")
        await ana.register(expires="0")
        await watcher.until(lambda: not presence(watcher).open, "offline again")


async def test_the_mailbox_lamp_follows_the_counts_and_is_nobody_elses(server: RamalServer) -> None:
    mailboxes = server.exchange.watching.mailboxes
    async with watching_phone(server, "1003") as watcher:
        assert (await watcher.subscribe("message-summary", "1001")).status == 403
        assert (await watcher.subscribe("message-summary", "*97")).status == 200
        await watcher.until(lambda: "Voice-Message: 0/0" in watcher.lamp("message-summary"), "empty")
        await mailboxes.set_counts("1003", new=2, old=1)
        await watcher.until(lambda: "Messages-Waiting: yes" in watcher.lamp("message-summary"), "two new")
        assert "Voice-Message: 2/1 (0/0)" in watcher.lamp("message-summary")
        told = len(watcher.notifies)
        await mailboxes.set_counts("1003", new=2, old=1)
        await mailboxes.set_counts("1001", new=5)
        await mailboxes.set_counts("1003", new=0)
        await watcher.until(lambda: "Messages-Waiting: no" in watcher.lamp("message-summary"), "none")
        assert len(watcher.notifies) == told + 1


async def test_phones_that_never_subscribe_are_told_of_messages_where_that_is_wanted(
    tmp_path: Path, prompts: Path
) -> None:
    async with ramal_server(tmp_path, prompts=prompts, pbx={"unsolicited_mwi": True}) as server:
        await server.exchange.directory.create_extension(number="1001", name="Ana", password=PASSWORD)
        async with watching_phone(server, "1001") as phone:
            await phone.register()
            await phone.until(lambda: "Messages-Waiting: no" in phone.lamp("message-summary"), "none waits")
            await server.exchange.watching.mailboxes.set_counts("1001", new=1)
            await phone.until(lambda: "Messages-Waiting: yes" in phone.lamp("message-summary"), "one waits")


async def test_the_mailbox_lamp_is_lit_again_after_a_restart(tmp_path: Path, prompts: Path) -> None:
    async with ramal_server(tmp_path, prompts=prompts) as server:
        await server.exchange.directory.create_extension(number="1001", name="Ana", password=PASSWORD)
        await server.exchange.watching.mailboxes.set_counts("1001", new=2, old=1)
    async with ramal_server(tmp_path, prompts=prompts) as server, watching_phone(server, "1001") as phone:
        await phone.subscribe("message-summary", "1001")
        await phone.until(lambda: "Voice-Message: 2/1 (0/0)" in phone.lamp("message-summary"), "what waited before")


async def test_texts_reach_all_phones_of_an_extension(server: RamalServer) -> None:
    async with (
        watching_phone(server, "1001") as ana,
        watching_phone(server, "1002") as desk,
        watching_phone(server, "1002") as mobile,
    ):
        text = "Привет, olá & <hi>"

        async def say(target: str) -> int:
            return (await ana.request("MESSAGE", target, body=text.encode(), content_type="text/plain")).status

        assert await say("1002") == 480
        assert await say("7777") == 404
        await desk.register()
        await mobile.register()
        assert await say("1002") == 200
        await desk.until(lambda: desk.texts == [text], "the text")
        await mobile.until(lambda: mobile.texts == [text], "the text")
        desk.answer = mobile.answer = 415
        assert await say("1002") == 415
        told = [event.payload for event in server.events if event.kind == "message.sent"]
        assert [(one["from_extension"], one["to_extension"], one["status"]) for one in told] == [
            ("1001", "1002", 200),
            ("1001", "1002", 415),
        ]
        assert text not in str(told)


async def test_a_text_from_the_web_reaches_a_phone_or_says_why_not(server: RamalServer) -> None:
    messages = server.exchange.watching.messages
    async with watching_phone(server, "1002") as boris:
        with pytest.raises(UnreachableError):
            await messages.send("1001", "1002", "nobody there")
        with pytest.raises(InvalidEntryError, match="to:"):
            await messages.send("1001", "7777", "nobody")
        await boris.register()
        assert await messages.send("1001", "1002", "обед?")
        assert boris.texts == ["обед?"]
        boris.answer = 603
        with pytest.raises(UnreachableError, match="603"):
            await messages.send("1001", "1002", "and now?")


async def test_a_text_to_a_silent_phone_is_taken_for_now(server: RamalServer) -> None:
    async with watching_phone(server, "1001") as ana, watching_phone(server, "1002") as boris:
        await boris.register()
        boris.answer = 100
        response = await ana.request("MESSAGE", "1002", body=b"hello", content_type="text/plain")
        assert response.status == 202


async def test_what_goes_away_is_told_and_who_loses_the_login_sees_no_more(server: RamalServer) -> None:
    directory = server.exchange.directory
    async with watching_phone(server, "1003") as watcher:

        def states() -> list[str]:
            return [(notify.get("Subscription-State") or "").partition(";exp")[0] for notify in watcher.notifies]

        await watcher.subscribe("dialog", "1002")
        await watcher.until(lambda: states() == ["active"], "active")
        await directory.update_extension(_id(server, "1002"), enabled=False)
        await watcher.until(lambda: states()[-1] == "pending", "pending")
        await directory.update_extension(_id(server, "1002"), enabled=True)
        await watcher.until(lambda: states()[-1] == "active", "active again")
        await directory.delete_extension(_id(server, "1002"))
        await watcher.until(lambda: states()[-1] == "terminated;reason=noresource", "gone")
        await watcher.subscribe("dialog", "1001")
        await directory.update_extension(_id(server, "1003"), password="another-horse-5")
        await watcher.until(lambda: states()[-1] == "terminated;reason=rejected", "no more")
        assert (await watcher.subscribe("dialog", "1001")).status == 401


async def test_lamps_are_right_after_a_restart(tmp_path: Path, prompts: Path) -> None:
    port = free_port()
    async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
        for number in ("1002", "1003"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        async with watching_phone(server, "1003") as watcher:
            await watcher.subscribe("dialog", "1002")
            await watcher.until(lambda: bool(watcher.notifies), "the first state")
            await server.exchange.close()
            await watcher.until(
                lambda: "deactivated" in (watcher.notifies[-1].get("Subscription-State") or ""), "to subscribe again"
            )
            server.engine.close()
            await server.journal.close()
            await server.database.close()
            async with ramal_server(tmp_path, prompts=prompts, port=port):
                assert (await watcher.subscribe("dialog", "1002", again=True)).status == 481
                told = len(watcher.notifies)
                assert (await watcher.subscribe("dialog", "1002")).status == 200
                await watcher.until(
                    lambda: len(watcher.notifies) > told and lamp(watcher) == {"idle"}, "the state anew"
                )


async def test_a_lamp_does_not_stick_when_the_server_is_killed(tmp_path: Path, prompts: Path) -> None:
    port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
            for number in ("1001", "1002", "1003"):
                await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
            watcher = await stack.enter_async_context(watching_phone(server, "1003"))
            assert (await watcher.subscribe("dialog", "1002")).status == 200
            async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
                call = ana.call("1002")
                (await boris.incoming()).session.answer(description())
                await call.answered()
                await watcher.until(lambda: lamp(watcher) == {"confirmed"}, "talking")
                await server.exchange._subscriptions.flush()
                # As when the power fails: nobody is told, nothing more is written.
                server.exchange.watching.close = lambda: None  # type: ignore[method-assign]
                server.exchange.sip.core.inbound.notifier.keeper = None
                before = len(watcher.notifies)
                await server.exchange.sip.close()
        async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
            await watcher.until(lambda: len(watcher.notifies) > before and lamp(watcher) == {"idle"}, "dark again")
            versions = [int(found[1]) for one in watcher.notifies if (found := _VERSION.search(one.body))]
            assert versions == sorted(set(versions))
            numbers = [one.cseq[0] for one in watcher.notifies]
            assert numbers == sorted(set(numbers))
            assert (await watcher.subscribe("dialog", "1002", again=True)).status == 200
            async with scripted_phone(server, "1002") as boris, scripted_phone(server, "1001") as ana:
                call = ana.call("1002")
                (await boris.incoming()).session.answer(description())
                await watcher.until(lambda: lamp(watcher) == {"confirmed"}, "talking again")
                call.session.hang_up()
                await server.quiet()
        async with ramal_server(tmp_path, prompts=prompts, port=port) as server:
            # That was stopped in good order: the phone was told to subscribe anew.
            assert len(server.exchange.sip.core.inbound.notifier) == 0


async def test_a_lamp_is_right_after_real_calls_over_a_bad_network(server: RamalServer) -> None:
    dice = random.Random(7)
    async with (
        lossy_relay(("127.0.0.1", server.port), Weather(loss=0.1, seed=7)) as relay,
        watching_phone(relay.address[1], "1003") as watcher,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        assert (await watcher.subscribe("dialog", "1002")).status == 200
        for _ in range(10):
            call = ana.call("1002")
            ringing = await boris.incoming()
            ringing.session.progress(180)
            if dice.random() < 0.3:
                call.session.hang_up()
            elif dice.random() < 0.4:
                ringing.session.reject(486)
            else:
                ringing.session.answer(description())
                await call.answered()
                dice.choice((call, ringing)).session.hang_up()
            await call.over()
            await asyncio.sleep(dice.random() * 0.1)
        await server.quiet()
        held = ana.call("1002")
        (await boris.incoming()).session.answer(description())
        await held.answered()
        await watcher.until(lambda: lamp(watcher) == {"confirmed"}, "talking", 40)
        held.session.hang_up()
        await watcher.until(lambda: lamp(watcher) == {"idle"}, "idle", 40)
        assert len(server.exchange.sip.core.inbound.notifier) == 1
        assert relay.tally.lost > 0


async def test_the_extension_states_forget_one_who_refused(server: RamalServer) -> None:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        await _refused(ana, boris)
        await server.quiet()
        assert server.exchange.switch.extensions.state("1002") is ExtensionState.IDLE
        assert server.exchange.switch.watched("1002") == []


async def _refused(ana: ScriptedPhone, boris: ScriptedPhone) -> None:
    call = ana.call("1002")
    (await boris.incoming()).session.reject(486)
    await call.over()


def _id(server: RamalServer, number: str) -> str:
    return server.exchange.directory.snapshot.extensions[number].id
