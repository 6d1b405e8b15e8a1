"""Billing as the other rooms get it: everything built once and handed out."""

from __future__ import annotations

from dataclasses import dataclass

from billing.charges import ChargeStore
from billing.consumer import BillingConsumer
from billing.rate_book import RateBookCache
from billing.rates import RateStore
from billing.tariffs import TariffStore
from core.clock import Clock
from core.company import Company
from core.database import Database


@dataclass(slots=True, frozen=True)
class Billing:
    """The parts of billing, sharing one set of decks in memory."""

    tariffs: TariffStore
    rates: RateStore
    charges: ChargeStore
    consumer: BillingConsumer

    @classmethod
    def build(cls, database: Database, company: Company, clock: Clock) -> Billing:
        """Build billing on a database for a company; the consumer is to be run with the journal."""
        book = RateBookCache()
        charges = ChargeStore(database, book)
        tariffs = TariffStore(database, charges, clock)
        return cls(tariffs, RateStore(database, tariffs, charges, clock), charges, BillingConsumer(company, book))
