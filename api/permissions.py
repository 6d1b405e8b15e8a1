"""Who may do what: one table of roles, resources and actions."""

from __future__ import annotations

import enum
from typing import Final


class Role(enum.StrEnum):
    """What a user or a token is for."""

    AGENT = "agent"
    MANAGER = "manager"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"


class Resource(enum.StrEnum):
    """What the paths are about."""

    EXTENSIONS = "extensions"
    FORWARDING = "forwarding"
    WAITING_MESSAGES = "waiting_messages"
    DEVICES = "devices"
    TRUNKS = "trunks"
    NUMBERS = "numbers"
    ROUTES = "routes"
    CONFERENCES = "conferences"
    BANS = "bans"
    CALLS = "calls"
    MESSAGES = "messages"
    CDRS = "cdrs"
    RECORDINGS = "recordings"
    TRANSCRIPTS = "transcripts"
    TARIFFS = "tariffs"
    RATES = "rates"
    LEADS = "leads"
    CONTACTS = "contacts"
    COMPANIES = "companies"
    DEALS = "deals"
    ACTIVITIES = "activities"
    CAMERAS = "cameras"
    VISITORS = "visitors"
    VISITS = "visits"
    USERS = "users"
    TOKENS = "tokens"
    AUDIT = "audit"
    COMPANY = "company"
    EVENTS = "events"
    DOCTOR = "doctor"
    METRICS = "metrics"


class Action(enum.StrEnum):
    """What is done."""

    READ = "read"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    CONTROL = "control"
    """Act on a live call: transfer, hold, record, hang up; or on who is in a conference."""
    SUPERVISE = "supervise"
    """Listen to a live call of others, whisper, or barge in."""
    LISTEN = "listen"
    """Hear a recording."""
    TRACE = "trace"
    """See the SIP messages of a call, with addresses and numbers."""


class Scope(enum.Enum):
    """How far a permission reaches."""

    NONE = "-"
    OWN = "own"
    """Only what belongs to the extension of the one who asks."""
    ALL = "all"


_NO, _OWN, _ALL = Scope.NONE, Scope.OWN, Scope.ALL
_ROLES: Final = (Role.AGENT, Role.MANAGER, Role.OWNER, Role.ADMINISTRATOR)
_R, _A = Resource, Action

TABLE: Final[dict[tuple[Resource, Action], tuple[Scope, Scope, Scope, Scope]]] = {
    #                              agent manager owner administrator
    (_R.EXTENSIONS, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.EXTENSIONS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.EXTENSIONS, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.EXTENSIONS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.FORWARDING, _A.CHANGE): (_OWN, _ALL, _NO, _ALL),
    (_R.WAITING_MESSAGES, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.WAITING_MESSAGES, _A.CHANGE): (_NO, _ALL, _NO, _ALL),
    (_R.DEVICES, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.DEVICES, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.DEVICES, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.DEVICES, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.TRUNKS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.TRUNKS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.TRUNKS, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.TRUNKS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.NUMBERS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.NUMBERS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.NUMBERS, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.NUMBERS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.ROUTES, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.ROUTES, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.ROUTES, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.ROUTES, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.CONFERENCES, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.CONFERENCES, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.CONFERENCES, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.CONFERENCES, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.CONFERENCES, _A.CONTROL): (_NO, _ALL, _NO, _ALL),
    (_R.BANS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.BANS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.BANS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.CALLS, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.CALLS, _A.CREATE): (_OWN, _ALL, _NO, _ALL),
    (_R.CALLS, _A.CONTROL): (_OWN, _ALL, _NO, _ALL),
    (_R.CALLS, _A.SUPERVISE): (_NO, _ALL, _NO, _ALL),
    (_R.CALLS, _A.TRACE): (_NO, _NO, _NO, _ALL),
    (_R.MESSAGES, _A.READ): (_OWN, _ALL, _NO, _ALL),
    (_R.MESSAGES, _A.CREATE): (_OWN, _ALL, _NO, _ALL),
    (_R.CDRS, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.RECORDINGS, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.RECORDINGS, _A.LISTEN): (_OWN, _ALL, _ALL, _ALL),
    (_R.RECORDINGS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.TRANSCRIPTS, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.TARIFFS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.TARIFFS, _A.CREATE): (_NO, _NO, _ALL, _ALL),
    (_R.TARIFFS, _A.CHANGE): (_NO, _NO, _ALL, _ALL),
    (_R.TARIFFS, _A.DELETE): (_NO, _NO, _ALL, _ALL),
    (_R.RATES, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.RATES, _A.CREATE): (_NO, _NO, _ALL, _ALL),
    (_R.RATES, _A.CHANGE): (_NO, _NO, _ALL, _ALL),
    (_R.RATES, _A.DELETE): (_NO, _NO, _ALL, _ALL),
    (_R.LEADS, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.LEADS, _A.CREATE): (_ALL, _ALL, _ALL, _ALL),
    (_R.LEADS, _A.CHANGE): (_ALL, _ALL, _ALL, _ALL),
    (_R.LEADS, _A.DELETE): (_NO, _ALL, _ALL, _ALL),
    (_R.CONTACTS, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.CONTACTS, _A.CREATE): (_ALL, _ALL, _ALL, _ALL),
    (_R.CONTACTS, _A.CHANGE): (_ALL, _ALL, _ALL, _ALL),
    (_R.CONTACTS, _A.DELETE): (_NO, _ALL, _ALL, _ALL),
    (_R.COMPANIES, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.COMPANIES, _A.CREATE): (_ALL, _ALL, _ALL, _ALL),
    (_R.COMPANIES, _A.CHANGE): (_ALL, _ALL, _ALL, _ALL),
    (_R.COMPANIES, _A.DELETE): (_NO, _ALL, _ALL, _ALL),
    (_R.DEALS, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.DEALS, _A.CREATE): (_ALL, _ALL, _ALL, _ALL),
    (_R.DEALS, _A.CHANGE): (_ALL, _ALL, _ALL, _ALL),
    (_R.DEALS, _A.DELETE): (_NO, _ALL, _ALL, _ALL),
    (_R.ACTIVITIES, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.ACTIVITIES, _A.CREATE): (_ALL, _ALL, _ALL, _ALL),
    (_R.CAMERAS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.CAMERAS, _A.CREATE): (_NO, _NO, _ALL, _ALL),
    (_R.CAMERAS, _A.CHANGE): (_NO, _NO, _ALL, _ALL),
    (_R.CAMERAS, _A.DELETE): (_NO, _NO, _ALL, _ALL),
    (_R.VISITORS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.VISITORS, _A.DELETE): (_NO, _NO, _ALL, _ALL),
    (_R.VISITS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.USERS, _A.READ): (_NO, _ALL, _ALL, _ALL),
    (_R.USERS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.USERS, _A.CHANGE): (_NO, _NO, _NO, _ALL),
    (_R.USERS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.TOKENS, _A.READ): (_NO, _NO, _NO, _ALL),
    (_R.TOKENS, _A.CREATE): (_NO, _NO, _NO, _ALL),
    (_R.TOKENS, _A.DELETE): (_NO, _NO, _NO, _ALL),
    (_R.AUDIT, _A.READ): (_NO, _NO, _ALL, _ALL),
    (_R.COMPANY, _A.READ): (_ALL, _ALL, _ALL, _ALL),
    (_R.COMPANY, _A.CHANGE): (_NO, _NO, _ALL, _ALL),
    (_R.EVENTS, _A.READ): (_OWN, _ALL, _ALL, _ALL),
    (_R.DOCTOR, _A.READ): (_NO, _NO, _NO, _ALL),
    (_R.METRICS, _A.READ): (_NO, _ALL, _ALL, _ALL),
}
"""A pair that does not stand here is allowed to nobody."""


def scope_of(role: Role, resource: Resource, action: Action) -> Scope:
    """Return how far the role's permission for the action reaches."""
    row = TABLE.get((resource, action))
    return Scope.NONE if row is None else row[_ROLES.index(role)]
