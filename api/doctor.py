"""`/api/v1/doctor`: what is wrong with this server, and what to do about it."""

from __future__ import annotations

import enum
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import Output
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/doctor", tags=["doctor"])


class Severity(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class FindingOut(Output):
    """One thing that was looked at."""

    subject: str = Field(description="What it belongs to: `trunks`, `audio`, `certificates`...")
    severity: Severity
    code: str = Field(description="Stable, for programs: `trunk_unreachable`, `one_way_audio`...")
    message: str
    advice: str = Field(description="What to do about it; empty where nothing is to be done.")
    about: str = Field(description="The thing in question: a trunk's name, a call's id, a file.")


class DoctorOut(Output):
    """Everything that was looked at."""

    status: Severity = Field(description="The worst of all findings.")
    findings: list[FindingOut]


@router.get("")
async def examine_server(rooms: Rooms, _access: Annotated[Access, permit(Resource.DOCTOR, Action.READ)]) -> DoctorOut:
    """Look the server over: addresses, certificates, trunks, phones, one-way audio of the last day, disk and work."""
    findings = [FindingOut.model_validate(finding) for finding in await rooms.doctor()]
    order = list(Severity)
    worst = max((finding.severity for finding in findings), key=order.index, default=Severity.OK)
    return DoctorOut(status=worst, findings=findings)
