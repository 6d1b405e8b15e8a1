"""Who is banned when, for how long, and whom nobody bans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sip.bans import Ban, BanBook, BanPolicy, InvalidAddressError, SparedAddressError, parse_network, parse_source

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOST = "203.0.113.7"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def fail(book: BanBook, times: int, host: str = HOST, now: datetime = NOW) -> list[Ban | None]:
    return [book.failed(host, "1001", now) for _ in range(times)]


def test_so_many_failures_in_a_row_ban_their_source_and_no_other() -> None:
    book = BanBook(BanPolicy(failures=3))
    assert fail(book, 2) == [None, None]
    assert fail(book, 2, "203.0.113.8") == [None, None]
    ban = book.failed(HOST, "1002", NOW)
    assert ban is not None
    assert (ban.network, ban.until, ban.offences) == (HOST, NOW + seconds(600), 1)
    assert "1002" in ban.reason
    assert book.find(HOST, NOW) == ban
    assert book.find("203.0.113.8", NOW) is None
    assert book.find(HOST, NOW + seconds(600)) is None


def test_a_phone_that_tries_an_old_password_each_minute_is_not_banned() -> None:
    book = BanBook(BanPolicy(failures=3))
    for minute in range(1000):
        assert book.failed(HOST, "1001", NOW + seconds(60 * minute)) is None


def test_every_further_ban_is_longer_up_to_a_bound_until_it_is_forgotten() -> None:
    policy = BanPolicy(failures=1, first_seconds=600, growth=4, longest_seconds=86_400, memory_seconds=1000)
    book = BanBook(policy)
    now, lengths = NOW, []
    for _ in range(6):
        ban = book.failed(HOST, "1001", now)
        assert ban is not None
        lengths.append((ban.until - ban.since).total_seconds())
        now = ban.until
    assert lengths == [600, 2400, 9600, 38_400, 86_400, 86_400]
    book.forget_old(now + seconds(1001))
    ban = book.failed(HOST, "1001", now + seconds(1001))
    assert ban is not None
    assert ban.until - ban.since == seconds(600)


def test_nobody_is_banned_where_that_is_switched_off() -> None:
    assert fail(BanBook(BanPolicy(failures=0)), 1000) == [None] * 1000


def test_the_neighbours_in_an_ipv6_network_are_one_source() -> None:
    book = BanBook(BanPolicy(failures=2))
    assert book.failed("2001:db8:1:2::1", "1001", NOW) is None
    ban = book.failed("2001:db8:1:2:ffff::9", "1001", NOW)
    assert ban is not None
    assert ban.network == "2001:db8:1:2::/64"


def test_a_lifted_ban_leaves_no_trace() -> None:
    book = BanBook(BanPolicy(failures=2))
    fail(book, 2)
    assert book.lift(HOST) is not None
    assert book.lift(HOST) is None
    assert book.failed(HOST, "1001", NOW) is None
    ban = book.failed(HOST, "1001", NOW)
    assert ban is not None
    assert ban.offences == 1


def test_who_is_on_the_allow_list_is_neither_banned_nor_stays_so() -> None:
    book = BanBook(BanPolicy(failures=1))
    fail(book, 1)
    fail(book, 1, "2001:db8::1")
    assert [ban.network for ban in book.spare([parse_network("203.0.113.0/24")])] == [HOST]
    assert fail(book, 5) == [None] * 5
    with pytest.raises(SparedAddressError):
        book.add(HOST, 60, "by hand", NOW)
    assert [ban.network for ban in book.active(NOW)] == ["2001:db8::/64"]


def test_a_ban_by_hand_lasts_as_long_as_asked_and_at_most_a_year() -> None:
    book = BanBook(BanPolicy())
    assert book.add(HOST, 60, "noise", NOW).until == NOW + seconds(60)
    assert book.add(HOST, 1e12, "x" * 999, NOW).until < NOW + timedelta(days=367)
    assert len(book.active(NOW)[0].reason) <= 200


def test_the_number_of_bans_is_bounded_and_the_one_that_ends_first_makes_room() -> None:
    book = BanBook(BanPolicy(most=3))
    for number, length in enumerate((500, 100, 300, 400)):
        book.add(f"198.51.100.{number}", length, "", NOW)
    assert {ban.network for ban in book.active(NOW)} == {"198.51.100.0", "198.51.100.2", "198.51.100.3"}


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::/64"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("2001:db8::7/128", "2001:db8::/64"),
        ("203.0.113.9/24", "203.0.113.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_a_source_is_read_in_all_its_spellings(text: str, source: str) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize("text", ["", "example.com", "0.0.0.0/0", "::/0", "203.0.113.0/33", "1.2.3.4/x", "' OR 1=1"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_source(text)


@pytest.mark.parametrize("text", ["", "office", "0.0.0.0/0", "::/0", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddressError):
        parse_network(text)


class TestNetworks:
    """Bans by hand may be for more than one sender."""

    def test_all_in_it_are_banned_and_nobody_else(self) -> None:
        book = BanBook(BanPolicy())
        ban = book.add("203.0.113.0/24", 60, "noise", NOW)
        assert ban.network == "203.0.113.0/24"
        for host in (HOST, "203.0.113.255"):
            assert host in book
            assert book.find(host, NOW) == ban
            assert book.find(host, NOW + seconds(61)) is None
        assert "203.0.114.1" not in book
        assert "2001:db8::/64" not in book
        wide = book.add("2001:db8::/32", 60, "noise", NOW)
        assert book.find("2001:db8:7::/64", NOW) == wide
        assert "203.0.114.1" not in book

    def test_one_in_it_may_be_banned_for_longer_by_itself(self) -> None:
        book = BanBook(BanPolicy(failures=1, first_seconds=600))
        book.add("203.0.113.0/24", 60, "noise", NOW)
        fail(book, 1)
        assert book.find(HOST, NOW + seconds(61)) is not None
        assert book.find("203.0.113.8", NOW + seconds(61)) is None

    def test_it_is_lifted_as_a_whole(self) -> None:
        book = BanBook(BanPolicy())
        book.add("203.0.113.0/24", 60, "noise", NOW)
        assert HOST in book
        assert book.lift(HOST) is None
        assert book.lift("203.0.113.0/24") is not None
        assert HOST not in book

    def test_it_is_known_again_after_a_restart(self) -> None:
        book, other = BanBook(BanPolicy()), BanBook(BanPolicy())
        book.add("203.0.113.0/24", 60, "noise", NOW)
        other.replace_all(book.remembered())
        assert other.find(HOST, NOW) is not None
        other.replace_all([])
        assert HOST not in other

    def test_only_what_is_allowed_as_a_whole_cannot_be_banned(self) -> None:
        book = BanBook(BanPolicy())
        book.spare([parse_network("203.0.113.0/28")])
        book.add("203.0.113.0/24", 60, "noise", NOW)
        with pytest.raises(SparedAddressError):
            book.add("203.0.113.0/29", 60, "noise", NOW)
        assert [ban.network for ban in book.spare([parse_network("203.0.0.0/16")])] == ["203.0.113.0/24"]
