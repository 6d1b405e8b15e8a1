"""What billing stores: tariffs with their rates, the legs that are being charged, and the charges."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id


class TariffRow(Base):
    """A named list of rates."""

    __tablename__ = "tariffs"
    __table_args__ = (
        Index(
            "uq_tariffs_is_default",
            "is_default",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(100), unique=True)
    is_default: Mapped[bool] = mapped_column(Boolean)
    revision: Mapped[int] = mapped_column(BigInteger)
    """Grows with every change of the rates, in the transaction of the change: whoever holds a deck in memory sees it is old."""
    created_at: Mapped[datetime]


class TariffTrunkRow(Base):
    """A trunk whose legs are rated by a tariff other than the default one."""

    __tablename__ = "tariff_trunks"

    trunk: Mapped[str] = mapped_column(String(128), primary_key=True)
    tariff_id: Mapped[str] = mapped_column(ForeignKey("tariffs.id"), index=True)


class RateRow(Base):
    """A price for the numbers of a prefix and a kind, valid from a time (inclusive) to a time (exclusive)."""

    __tablename__ = "rates"
    __table_args__ = (Index(None, "tariff_id", "prefix"),)

    id: Mapped[Id]
    tariff_id: Mapped[str] = mapped_column(ForeignKey("tariffs.id"))
    prefix: Mapped[str] = mapped_column(String(15))
    kind: Mapped[str] = mapped_column(String(16))
    """A `core.phone_numbers.NumberKind`, or empty for any."""
    price_per_minute: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(3))
    first_increment: Mapped[int] = mapped_column(Integer)
    increment: Mapped[int] = mapped_column(Integer)
    connection_fee: Mapped[Decimal]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    description: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class ChargeLegRow(Base):
    """An outgoing trunk leg that is not over yet."""

    __tablename__ = "charge_legs"

    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    leg_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(36), index=True)
    """The call it is in now."""
    first_call_id: Mapped[str] = mapped_column(String(36))
    """The call it was opened in."""
    trunk: Mapped[str] = mapped_column(String(128))
    number: Mapped[str] = mapped_column(String(64))
    answered_at: Mapped[datetime | None]


class ChargeRow(Base):
    """What an answered outgoing trunk leg costs; one row a leg, for ever.

    The price is copied from the rate, so that a bill can be checked by itself. A leg without a rate has no amount until one appears.
    """

    __tablename__ = "charges"
    __table_args__ = (
        UniqueConstraint("node", "leg_id"),
        Index("ix_charges_unrated", "id", sqlite_where=text("amount IS NULL"), postgresql_where=text("amount IS NULL")),
    )

    id: Mapped[Id]
    node: Mapped[str] = mapped_column(String(64))
    leg_id: Mapped[str] = mapped_column(String(36))
    call_id: Mapped[str] = mapped_column(String(36), index=True)
    first_call_id: Mapped[str] = mapped_column(String(36))
    trunk: Mapped[str] = mapped_column(String(128))
    number: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime]
    seconds: Mapped[int] = mapped_column(Integer)
    billed_seconds: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[Decimal | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    rate_id: Mapped[str | None] = mapped_column(ForeignKey("rates.id"), index=True)
    price_per_minute: Mapped[Decimal | None]
    first_increment: Mapped[int | None] = mapped_column(Integer)
    increment: Mapped[int | None] = mapped_column(Integer)
    connection_fee: Mapped[Decimal | None]
