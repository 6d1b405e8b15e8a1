"""A call to a star code that changes a setting of the caller's own extension: it is answered, confirmed in words and ended."""

from __future__ import annotations

from typing import Any, Final, cast

import structlog

from core.errors import RamalError
from pbx import routing
from pbx.call import Call, Flow
from pbx.entry_fields import ExtensionFields
from pbx.routing import Refused, ToExtension, ToInboundNumber, ToOutside, ToService
from pbx.service_codes import SERVICES

log = structlog.get_logger(__name__)

_NOWHERE: Final = frozenset({403, 404, 482})
"""Refusals of routing that will not pass by themselves: what the extension may not call, an unknown number, a circle."""


def service(decision: ToService) -> Flow:
    """Return the flow of a call to a star code."""

    async def run(call: Call) -> None:
        """Set what the code stands for, and say whether that was possible."""
        call.answer()
        call.answered_by(call.calling)
        wanted = SERVICES[decision.code]
        fields: dict[str, Any] = dict(wanted.fields)
        possible = True
        if wanted.target:
            target = fields[wanted.target] = decision.argument or await _dialled(call)
            possible = _can_be_called(call, target)
        await call.play(wanted.prompt if possible and await _set(call, fields) else "setting_refused")

    return run


async def _dialled(call: Call) -> str:
    """Ask for the number that follows the code."""
    config = call.equipment.config
    call.spawn(call.play("forward_dial"))
    return await call.collect(call.calling, first=config.transfer_dial_timeout, following=config.star_code_timeout)


def _can_be_called(call: Call, target: str) -> bool:
    """Tell whether a call to the target would find somebody, as the directory stands."""
    equipment = call.equipment
    decision = routing.route(
        equipment.directory.snapshot, target, country=equipment.country, from_extension=call.from_party.extension
    )
    if isinstance(decision, Refused):
        return decision.status not in _NOWHERE
    return isinstance(decision, ToExtension | ToOutside | ToInboundNumber)


async def _set(call: Call, fields: dict[str, Any]) -> bool:
    """Change the caller's extension; tell whether that was possible."""
    directory = call.equipment.directory
    extension = directory.snapshot.extensions.get(call.from_party.extension)
    if extension is None:
        return False
    try:
        await directory.update_extension(extension.id, **cast(ExtensionFields, fields))
    except RamalError as error:
        log.info("service_code_refused", call_id=call.id, extension=extension.number, error=error.message)
        return False
    return True
