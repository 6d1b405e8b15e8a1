"""What can go wrong between the command line and the server that runs on the same data folder."""

from __future__ import annotations

from core.errors import Fault, RamalError


class ServerRefusedError(RamalError):
    """The running server does not do what was asked of it; asking again changes nothing."""

    id = "ramal.server_refused"
    fault = Fault.CALLER


class ServerFailedError(RamalError):
    """The running server cannot do now what was asked of it, or does not answer."""

    id = "ramal.server_failed"
