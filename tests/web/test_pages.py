"""The web app in a real browser, on a real server: signing in, every page, and what each role sees."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.support.captures import packets
from tests.web.conftest import PHONE, Past, Shop, Visits

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = (
    "/live",
    "/calls",
    "/leads",
    "/contacts",
    "/visitors",
    "/setup/extensions",
    "/setup/trunks",
    "/setup/numbers",
    "/setup/routes",
    "/setup/rates",
    "/setup/cameras",
    "/setup/users",
    "/setup/company",
)

LOW_CONTRAST = """() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const colour = (text) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = text;
    brush.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const over = (top, ground) => [0, 1, 2].map((i) => top[i] * top[3] + ground[i] * (1 - top[3]));
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(colour(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const linear = rgb.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const hidden = element.closest(".visually-hidden, noscript, [disabled], [data-disabled]");
    if (!says || hidden || !element.getClientRects().length) continue;
    const below = ground(element);
    const [a, b] = [luminance(over(colour(getComputedStyle(element).color), below)), luminance(below)];
    const needed = parseFloat(getComputedStyle(element).fontSize) >= 24 ? 3 : 4.5;
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < needed) weak.push(element.textContent.trim().slice(0, 40));
  }
  return weak;
}"""

NAMELESS = """() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea, [role=slider]")]
  .filter((one) => one.getClientRects().length && !one.closest("[aria-hidden=true]"))
  .filter((one) => !(one.ariaLabel || one.textContent.trim() || (one.labels && one.labels.length)
    || one.getAttribute("aria-labelledby")))
  .map((one) => one.outerHTML.slice(0, 120))"""


async def go(page: Page, path: str) -> None:
    """Go to a page as a link inside the app does, without loading the app anew, and wait until it is there."""
    await page.evaluate(
        "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }", path
    )
    await settled(page)


async def settled(page: Page) -> None:
    """Wait until nothing of the page is a placeholder any more."""
    await page.locator("main h1").wait_for()
    await expect(page.locator(".mantine-Skeleton-root")).to_have_count(0)


async def test_a_wrong_password_is_said_plainly_and_the_right_one_opens_the_app(visits: Visits, shop: Shop) -> None:
    page = await visits.open()
    await page.get_by_label("User name").fill("desk")
    await page.get_by_role("textbox", name="Password").fill("not this one")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")

    await page.get_by_role("textbox", name="Password").fill(shop.passwords["desk"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Live calls")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Live calls")).to_be_visible()


async def test_signing_out_leads_back_to_the_door(visits: Visits) -> None:
    page = await visits.sign_in("desk")
    await page.get_by_role("button", name="Sales desk").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_label("User name")).to_be_visible()
    await page.goto("/calls")
    await expect(page.get_by_label("User name")).to_be_visible()


async def test_the_own_password_is_changed_and_a_wrong_one_keeps_the_session(visits: Visits, shop: Shop) -> None:
    made = await shop.api.post("users", username="rita", name="Rita", role="manager", password="first password 1")
    shop.passwords["rita"] = "first password 1"
    page = await visits.sign_in("rita", locale="pt-BR")
    await page.get_by_role("button", name="Rita").click()
    await page.get_by_role("menuitem", name="Mudar a senha").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Senha atual").fill("not this one")
    await dialog.get_by_role("textbox", name="Senha nova").fill("second password 2")
    await dialog.get_by_role("button", name="Salvar").click()
    await expect(dialog.get_by_role("alert")).to_have_text("A senha atual está errada.")
    await dialog.get_by_role("textbox", name="Senha atual").fill("first password 1")
    await dialog.get_by_role("button", name="Salvar").click()
    await expect(page.get_by_label("Usuário")).to_be_visible()
    shop.passwords["rita"] = "second password 2"
    again = await visits.sign_in("rita", locale="pt-BR")
    await expect(again.get_by_role("heading", name="Ao vivo")).to_be_visible()
    await shop.api.patch(f"users/{made['id']}", active=False)


async def test_an_agent_without_an_extension_is_told_what_to_do(visits: Visits, shop: Shop) -> None:
    await shop.api.post("users", username="novo", name="Novo", role="agent", password="first password 1")
    shop.passwords["novo"] = "first password 1"
    page = await visits.sign_in("novo", locale="ru-RU")
    for path in ("/live", "/calls"):
        await go(page, path)
        await expect(page.get_by_text("У вас ещё нет внутреннего номера")).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.get_by_role("status")).to_have_count(0)


@pytest.mark.parametrize(
    ("username", "seen", "hidden"),
    [
        ("desk", ["Live calls", "Calls", "Leads", "Contacts"], ["Visitors", "Rates", "Extensions", "Users"]),
        ("manager", ["Live calls", "Calls", "Leads", "Contacts", "Visitors"], ["Extensions", "Users"]),
        ("owner", ["Calls", "Leads", "Contacts", "Visitors", "Rates", "Cameras", "Company"], ["Live calls", "Users"]),
        ("boss", ["Live calls", "Visitors", "Extensions", "Trunks", "Outbound routes", "Users"], []),
    ],
)
async def test_each_role_sees_its_pages(visits: Visits, username: str, seen: list[str], hidden: list[str]) -> None:
    page = await visits.sign_in(username)
    navigation = page.get_by_role("navigation")
    for name in seen:
        await expect(navigation.get_by_role("link", name=name, exact=True)).to_be_visible()
    for name in hidden:
        await expect(navigation.get_by_role("link", name=name, exact=True)).to_have_count(0)


async def test_a_page_that_the_role_lacks_is_refused_with_a_way_back(visits: Visits) -> None:
    page = await visits.sign_in("desk", "/setup/users")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    await page.get_by_role("link", name="To the start").click()
    await expect(page.get_by_role("heading", name="Live calls")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "title", "other", "other_title"),
    [
        ("pt-BR", "Ao vivo", "Русский", "Сейчас на линии"),
        ("ru-RU", "Сейчас на линии", "English", "Live calls"),
        ("de-DE", "Live calls", "Português", "Ao vivo"),
    ],
)
async def test_the_browsers_language_is_taken_and_another_choice_is_remembered(
    visits: Visits, locale: str, title: str, other: str, other_title: str
) -> None:
    page = await visits.sign_in("desk", locale=locale)
    await expect(page.get_by_role("heading", name=title)).to_be_visible()
    await page.locator("header button", has_text=re.compile("Português|English|Русский")).click()
    await page.get_by_role("menuitem", name=other).click()
    await expect(page.get_by_role("heading", name=other_title)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name=other_title)).to_be_visible()


async def test_a_call_is_found_with_its_bill_to_the_kopeck(visits: Visits, past: Past) -> None:
    page = await visits.sign_in("manager", "/calls?direction=outbound", locale="ru-RU")
    rows = page.get_by_role("table", name="Звонки").locator("tbody tr")
    await expect(rows.filter(has_text=re.compile(r"1,57\s₽")).first).to_be_visible()
    await page.goto(f"/calls/{past.outgoing}")
    bill = page.get_by_role("table", name="Счёт")
    await expect(bill).to_contain_text("+79167654321")
    await expect(bill).to_contain_text("Мобильный")
    await expect(bill.locator("tbody")).to_contain_text(re.compile(r"1,57\s₽ / мин"))
    await expect(bill.locator("tfoot")).to_contain_text(re.compile(r"1,57\s₽"))


async def test_the_history_names_a_known_caller_and_who_can_set_it_up_is_told_that_transcripts_are_off(
    visits: Visits, past: Past
) -> None:
    page = await visits.sign_in("boss", "/calls?direction=inbound")
    rows = page.get_by_role("table", name="Calls").locator("tbody tr")
    await expect(rows.filter(has_text="Padaria Central").first).to_be_visible()
    await page.goto(f"/calls/{past.incoming}")
    await expect(page.get_by_text("RAMAL_SPEECH_VOSK_MODEL")).to_be_visible()
    manager = await visits.sign_in("manager", f"/calls/{past.incoming}")
    await expect(manager.get_by_role("button", name="Play", exact=True)).to_be_visible()
    await expect(manager.get_by_text("RAMAL_SPEECH_VOSK_MODEL")).to_have_count(0)


async def test_an_administrator_sees_what_was_said_in_sip_and_takes_it_to_wireshark(visits: Visits, past: Past) -> None:
    page = await visits.sign_in("boss", f"/calls/{past.outgoing}")
    trace = page.get_by_role("region", name="SIP trace")
    await trace.get_by_role("button", name="Show").click()
    ladder = page.get_by_role("region", name="SIP ladder")
    await expect(ladder).to_contain_text("INVITE SDP")
    await expect(ladder).to_contain_text("200 OK (BYE)")
    await trace.get_by_role("switch", name="Whole messages").click()
    await expect(ladder).to_contain_text("CSeq: 1 INVITE")
    async with page.expect_download() as started:
        await trace.get_by_role("link", name="Download for Wireshark").click()
    download = await started.value
    assert download.suggested_filename.endswith(".pcap")
    assert packets((await download.path()).read_bytes())


async def test_filters_stand_in_the_address_and_can_be_cleared(visits: Visits, past: Past) -> None:
    page = await visits.sign_in("manager", "/calls")
    await settled(page)
    await page.get_by_role("textbox", name="Number").fill("+79990000000")
    await expect(page.get_by_text("Nothing found")).to_be_visible()
    assert "number=" in page.url
    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.get_by_role("table", name="Calls").locator("tbody tr").first).to_be_visible()
    assert past.incoming not in page.url


async def test_a_stereo_recording_is_played_sought_muted_and_downloaded(visits: Visits, past: Past) -> None:
    page = await visits.sign_in("manager", f"/calls/{past.incoming}")
    slider = page.get_by_role("slider", name="Position in the recording")
    await expect(slider).to_be_visible()
    await expect(slider.locator("canvas").first).to_be_visible()

    await page.get_by_role("button", name="Mute: Customer").click()
    await expect(page.get_by_role("button", name="Unmute: Customer")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Play", exact=True).click()
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await expect(slider).not_to_have_attribute("aria-valuenow", "0")
    await page.get_by_role("button", name="Pause").click()

    await slider.press("End")
    last = await slider.get_attribute("aria-valuemax")
    await expect(slider).to_have_attribute("aria-valuenow", last or "?")
    await slider.press("Home")
    await expect(slider).to_have_attribute("aria-valuenow", "0")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="Download").click()
    download = await started.value
    assert download.suggested_filename.endswith(".wav")
    assert (await download.path()).read_bytes()[:4] == b"RIFF"


async def test_a_lead_is_entered_noted_changed_and_deleted(visits: Visits) -> None:
    page = await visits.sign_in("manager", "/leads")
    await page.get_by_role("button", name="New lead").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Mariana Alves")
    await dialog.get_by_role("combobox", name="Phones").fill("8 916 000-11-22")
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Mariana Alves").click()

    drawer = page.get_by_role("dialog", name="Lead")
    await expect(drawer.get_by_role("link", name="+79160001122")).to_be_visible()
    await drawer.get_by_role("textbox", name="Note").fill("Wants twenty chairs")
    await drawer.get_by_role("button", name="Add a note").click()
    await expect(drawer.get_by_role("paragraph").filter(has_text="Wants twenty chairs")).to_be_visible()
    await expect(drawer.get_by_role("textbox", name="Note")).to_have_value("")

    await drawer.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit lead")
    await form.get_by_role("combobox", name="Stage").click()
    await page.get_by_role("option", name="In progress").click()
    await form.get_by_role("button", name="Save").click()
    await expect(drawer.get_by_text("In progress")).to_be_visible()

    await drawer.get_by_role("button", name="Delete").click()
    await page.get_by_role("dialog", name="Delete").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("link", name="Mariana Alves")).to_have_count(0)


async def test_the_owner_sees_todays_visitors_and_what_the_camera_does(visits: Visits, shop: Shop) -> None:
    await shop.api.post("cameras", name="Front door", source="rtsp://127.0.0.1:9/door", enabled=False)
    page = await visits.sign_in("owner")
    await expect(page.get_by_role("heading", name="Visitors today")).to_be_visible()
    await expect(page.get_by_role("img", name="Visits by hour")).to_be_visible()
    await expect(page.get_by_text("Only counts people. Nothing about a face is stored.")).to_be_visible()
    await page.get_by_role("button", name="Previous day").click()
    await expect(page.get_by_role("heading", name="Visitors", exact=True)).to_be_visible()


async def test_a_new_extensions_password_is_shown_once(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/extensions")
    await expect(page.get_by_text("Registered", exact=True).first).to_be_visible()
    await page.get_by_role("button", name="New extension").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Please fill this in")).to_have_count(2)
    await dialog.get_by_role("textbox", name="Number").fill("1042")
    await dialog.get_by_role("textbox", name="Name").fill("Night desk")
    await dialog.get_by_role("button", name="Save").click()
    secret = page.get_by_test_id("secret")
    await expect(secret).to_have_text(re.compile(r"\S{12,}"))
    await page.get_by_role("button", name="I have copied it").click()
    await page.reload()
    await expect(page.get_by_role("cell", name="1042", exact=True)).to_be_visible()
    await expect(secret).to_have_count(0)


async def test_the_messages_that_wait_are_counted_where_extensions_are_listed(visits: Visits, shop: Shop) -> None:
    await shop.api.post("extensions", number="1044", name="Reception")
    mailboxes = shop.ramal.services.mailboxes
    await mailboxes.set_counts("1044", new=2, old=5)
    page = await visits.sign_in("boss", "/setup/extensions")
    row = page.get_by_role("row").filter(has_text="1044")
    await expect(row.get_by_role("cell", name="2 new, 5 heard")).to_be_visible()
    await mailboxes.set_counts("1044", new=0, old=0)
    await page.reload()
    await expect(row).to_be_visible()
    await expect(row.get_by_text("heard")).to_have_count(0)


async def test_what_an_extension_may_and_where_its_calls_go_is_set(visits: Visits, shop: Shop) -> None:
    made = await shop.api.post("extensions", number="1043", name="Warehouse")
    page = await visits.sign_in("boss", "/setup/extensions")
    await page.get_by_role("button", name="Edit: 1043 Warehouse").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="When busy, forward to").fill("no number")
    await dialog.get_by_role("button", name="Save").click()
    busy = dialog.get_by_role("textbox", name="When busy, forward to")
    await expect(busy).to_have_attribute("aria-invalid", "true")
    await busy.fill("1001")
    await dialog.get_by_role("textbox", name="When nobody answers, forward to").fill("1002")
    await dialog.get_by_role("textbox", name="Seconds it rings before").fill("15")
    await dialog.get_by_role("switch", name="Do not disturb").press("Space")
    await dialog.get_by_role("switch", name="Supervisor").press("Space")
    await dialog.get_by_role("combobox", name="Encrypted voice").click()
    await page.get_by_role("option", name="Required").click()
    await dialog.get_by_role("combobox", name="Keys pressed in calls").click()
    await page.get_by_role("option", name="SIP INFO messages").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)

    changed = await shop.api.get(f"extensions/{made['id']}")
    wanted = {
        "forward_to": None,
        "forward_busy_to": "1001",
        "forward_no_answer_to": "1002",
        "forward_no_answer_seconds": 15,
        "do_not_disturb": True,
        "call_waiting": True,
        "supervises": True,
        "encryption": "required",
        "dtmf": "info",
    }
    assert {name: changed[name] for name in wanted} == wanted


async def test_what_the_server_refuses_is_shown_where_it_was_entered(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/extensions")
    await page.get_by_role("button", name="New extension").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Number").fill("1001")
    await dialog.get_by_role("textbox", name="Name").fill("Twin")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("1001")


async def test_a_form_leads_to_the_first_field_that_is_wrong(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/trunks")
    await page.get_by_role("button", name="New trunk").click()
    dialog = page.get_by_role("dialog")
    save = dialog.get_by_role("button", name="Save")
    name, port = dialog.get_by_role("textbox", name="Name", exact=True), dialog.get_by_role("textbox", name="Port")
    await save.click()
    await expect(name).to_be_focused()
    await expect(name).to_be_in_viewport()
    await name.fill("second")
    await dialog.get_by_role("textbox", name="Host").fill("carrier.example")
    await port.fill("99999")
    await save.click()
    await expect(port).to_have_attribute("aria-invalid", "true")
    await expect(port).to_be_focused()


async def test_a_rate_file_names_its_wrong_lines_and_a_right_one_is_taken(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/rates")
    await page.get_by_role("button", name="Import CSV").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("The first line names the columns.")).to_be_visible()
    heading = "prefix,kind,price_per_minute,currency\n"

    async def choose(content: str) -> None:
        await page.locator("input[type=file]").set_input_files(
            {"name": "rates.csv", "mimeType": "text/csv", "buffer": (heading + content).encode()}
        )
        await dialog.get_by_role("button", name="Import CSV").click()

    await choose("55,landline,0.10,BRL\n5511,mobile,cheap,BRL\nfive,mobile,1,BRL\n")
    wrong = dialog.get_by_role("table", name="Lines that are wrong")
    await expect(wrong.locator("tbody tr")).to_have_count(2)
    await expect(wrong.locator("tbody tr").first).to_contain_text("3")
    await choose("55,landline,0.10,BRL\n5511,mobile,0.45,BRL\n")
    await expect(dialog.get_by_role("status")).to_contain_text("2 rates were imported.")
    await dialog.get_by_role("button", name="Close").last.click()
    await page.get_by_role("searchbox", name="Prefix begins with").fill("5511")
    await expect(page.get_by_role("table", name="Rates").locator("tbody tr")).to_have_count(1)


async def test_company_settings_are_changed(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("boss", "/setup/company")
    field = page.get_by_role("textbox", name="Seconds a phone rings")
    await field.fill("25")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved")).to_be_visible()
    assert (await shop.api.get("company"))["ring_seconds"] == 25


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_can_be_read_and_every_control_has_a_name(visits: Visits, past: Past, scheme: str) -> None:
    page = await visits.sign_in("boss")
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in (*PAGES, f"/calls/{past.incoming}"):
        await go(page, path)
        assert await page.evaluate(LOW_CONTRAST) == [], path
        assert await page.evaluate(NAMELESS) == [], path


async def test_an_example_in_a_field_that_was_left_empty_does_not_look_like_a_wrong_value(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/numbers")
    await page.get_by_role("button", name="New number").click()
    dialog = page.get_by_role("dialog")
    number = dialog.get_by_role("textbox", name="Number")
    colour = "field => getComputedStyle(field, '::placeholder').color"
    before = await number.evaluate(colour)
    await dialog.get_by_role("button", name="Save").click()
    await expect(number).to_have_attribute("aria-invalid", "true")
    assert await number.evaluate(colour) == before


@pytest.mark.parametrize("username", ["desk", "boss"])
async def test_on_a_phone_the_box_to_call_from_is_as_wide_as_the_screen(visits: Visits, username: str) -> None:
    page = await visits.sign_in(username, "/live", size=PHONE)
    box = await page.get_by_role("combobox", name="Number to call").bounding_box()
    assert box is not None
    assert box["width"] > PHONE[0] - 40


async def test_no_page_is_wider_than_a_phone(visits: Visits, past: Past) -> None:
    page = await visits.sign_in("boss", size=PHONE)
    for path in (*PAGES, f"/calls/{past.incoming}"):
        await go(page, path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], path


async def test_the_keyboard_reaches_the_content_first(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/calls")
    await settled(page)
    await page.reload()
    await settled(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
