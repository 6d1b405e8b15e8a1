"""The tables of the directory: who can be called, from where, and through what."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from sqlalchemy import JSON, BigInteger, Boolean, ColumnDefault, Float, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id
from core.identifiers import new_id

Row = TypeVar("Row", bound=Base)


class ExtensionRow(Base):
    """A number inside the company. Only digests of its password are kept (RFC 8760)."""

    __tablename__ = "extensions"

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    ha1_md5: Mapped[str] = mapped_column(String(32))
    ha1_sha256: Mapped[str] = mapped_column(String(64))
    email: Mapped[str] = mapped_column(String(254), default="")
    language: Mapped[str] = mapped_column(String(8), default="")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    forward_to: Mapped[str] = mapped_column(String(40), default="")
    forward_busy_to: Mapped[str] = mapped_column(String(40), default="")
    forward_no_answer_to: Mapped[str] = mapped_column(String(40), default="")
    forward_no_answer_seconds: Mapped[int] = mapped_column(Integer, default=0)
    forward_unavailable_to: Mapped[str] = mapped_column(String(40), default="")
    do_not_disturb: Mapped[bool] = mapped_column(Boolean, default=False)
    call_waiting: Mapped[bool] = mapped_column(Boolean, default=True)
    supervises: Mapped[bool] = mapped_column(Boolean, default=False)
    dtmf: Mapped[str] = mapped_column(String(8), default="rfc4733")
    encryption: Mapped[str] = mapped_column(String(8), default="optional")
    waiting_new: Mapped[int] = mapped_column(Integer, default=0)
    waiting_old: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]


class DeviceRow(Base):
    """A further phone of an extension, with a SIP login of its own."""

    __tablename__ = "devices"

    id: Mapped[Id]
    extension_id: Mapped[str] = mapped_column(ForeignKey("extensions.id", ondelete="CASCADE"), index=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(200), default="")
    ha1_md5: Mapped[str] = mapped_column(String(32))
    ha1_sha256: Mapped[str] = mapped_column(String(64))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime]


class TrunkRow(Base):
    """A line to a carrier. Its password stands in the clear: a digest client needs it."""

    __tablename__ = "trunks"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(Integer, default=0)
    transport: Mapped[str] = mapped_column(String(8), default="udp")
    username: Mapped[str] = mapped_column(String(128), default="")
    password: Mapped[str] = mapped_column(String(128), default="")
    register: Mapped[bool] = mapped_column(Boolean, default=False)
    allow_from: Mapped[list[str]] = mapped_column(JSON, default=list)
    caller_id: Mapped[str] = mapped_column(String(40), default="")
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    backup_hosts: Mapped[list[str]] = mapped_column(JSON, default=list)
    domain: Mapped[str] = mapped_column(String(255), default="")
    realm: Mapped[str] = mapped_column(String(200), default="")
    codecs: Mapped[list[str]] = mapped_column(JSON, default=list)
    caller_id_policy: Mapped[str] = mapped_column(String(8), default="default")
    caller_id_format: Mapped[str] = mapped_column(String(8), default="+e164")
    asserted_identity: Mapped[bool] = mapped_column(Boolean, default=False)
    trust_identity: Mapped[bool] = mapped_column(Boolean, default=True)
    encryption: Mapped[str] = mapped_column(String(8), default="optional")
    max_calls: Mapped[int] = mapped_column(Integer, default=0)
    max_calls_in: Mapped[int] = mapped_column(Integer, default=0)
    max_calls_out: Mapped[int] = mapped_column(Integer, default=0)
    calls_per_second: Mapped[int] = mapped_column(Integer, default=0)
    responses: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    strip: Mapped[int] = mapped_column(Integer, default=0)
    prepend: Mapped[str] = mapped_column(String(20), default="")
    ping_seconds: Mapped[int] = mapped_column(Integer, default=30)
    tls_verify: Mapped[bool] = mapped_column(Boolean, default=False)
    dtmf: Mapped[str] = mapped_column(String(8), default="rfc4733")
    follow_redirects: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime]


class InboundNumberRow(Base):
    """A public number of the company, or a pattern of them, and where its calls go."""

    __tablename__ = "inbound_numbers"

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(40), unique=True)
    destination_kind: Mapped[str] = mapped_column(String(16))
    destination_target: Mapped[str] = mapped_column(String(64))
    greeting: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime]


class ConferenceRow(Base):
    """A room for conferences. Its PIN stands in the clear: it is told to those who are invited."""

    __tablename__ = "conferences"

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    pin: Mapped[str] = mapped_column(String(12), default="")
    max_members: Mapped[int] = mapped_column(Integer, default=50)
    created_at: Mapped[datetime]


class OutboundRouteRow(Base):
    """Which trunks, in order, carry calls to numbers that begin with a prefix."""

    __tablename__ = "outbound_routes"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    prefix: Mapped[str] = mapped_column(String(20), index=True)
    trunks: Mapped[list[str]] = mapped_column(JSON, default=list)
    strip: Mapped[int] = mapped_column(Integer, default=0)
    prepend: Mapped[str] = mapped_column(String(20), default="")
    priority: Mapped[int] = mapped_column(Integer, default=0)
    pattern: Mapped[str] = mapped_column(String(40), default="")
    hours: Mapped[list[str]] = mapped_column(JSON, default=list)
    extensions: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]


class RegistrationRow(Base):
    """A phone's contact as it was last registered, so that a restart knows where to ring."""

    __tablename__ = "registrations"

    id: Mapped[Id]
    node: Mapped[str] = mapped_column(String(32), index=True)
    username: Mapped[str] = mapped_column(String(64), index=True)
    uri: Mapped[str] = mapped_column(String(512))
    source: Mapped[str] = mapped_column(String(80))
    transport: Mapped[str] = mapped_column(String(8))
    path: Mapped[list[str]] = mapped_column(JSON, default=list)
    instance: Mapped[str] = mapped_column(String(128), default="")
    user_agent: Mapped[str] = mapped_column(String(200), default="")
    call_id: Mapped[str] = mapped_column(String(256), default="")
    cseq: Mapped[int] = mapped_column(BigInteger, default=0)
    reg_id: Mapped[str] = mapped_column(String(10), default="")
    q: Mapped[float] = mapped_column(Float, default=1.0)
    direct: Mapped[bool] = mapped_column(Boolean, default=False)
    refreshed_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class OpenCallRow(Base):
    """A call that the journal tells of and that has no end yet; recovery begins to read at `sequence`."""

    __tablename__ = "open_calls"

    node: Mapped[str] = mapped_column(String(32), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


def new_row(table: type[Row], created_at: datetime, **columns: object) -> Row:
    """Return a new row with the given columns, and already with the defaults of the others, which are else set when it is written."""
    row = table(id=new_id(), created_at=created_at, **columns)
    for column in row.__table__.columns:
        default = column.default
        if isinstance(default, ColumnDefault) and column.key not in columns:
            setattr(row, column.key, default.arg(None) if default.is_callable else default.arg)
    return row
