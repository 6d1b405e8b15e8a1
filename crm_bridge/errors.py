"""What can go wrong between Ramal and a CRM, the embedded one or another."""

from __future__ import annotations

from core.errors import ConflictError, Fault, InvalidInputError, NotFoundError, RamalError


class CrmError(RamalError):
    """The root of the CRM's errors."""

    id = "crm.error"


class CrmInputError(CrmError, InvalidInputError):
    """A field breaks a rule; the message names both."""

    id = "crm.invalid_input"
    fault = Fault.CALLER
    http_status = 422


class CrmNotFoundError(CrmError, NotFoundError):
    """There is no such lead, contact, company, deal or activity."""

    id = "crm.not_found"
    fault = Fault.CALLER
    http_status = 404


class CrmConflictError(CrmError, ConflictError):
    """The record is in a state that does not allow this."""

    id = "crm.conflict"
    fault = Fault.CALLER
    http_status = 409


class CrmUnavailableError(CrmError):
    """The CRM does not answer or asks to wait; the same request may be sent again."""

    id = "crm.unavailable"
    fault = Fault.PEER
    http_status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        """Seconds to wait before the next attempt, when the CRM named them."""


class CrmRefusedError(CrmError):
    """The CRM understood and said no; sending the same again would not help."""

    id = "crm.refused"
    fault = Fault.PEER
    http_status = 502
