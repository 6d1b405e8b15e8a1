"""What can go wrong with cameras and faces."""

from core.errors import Fault, RamalError


class FaceTrackerError(RamalError):
    """The root of this room's errors."""

    id = "faces.error"


class CameraError(FaceTrackerError):
    """The camera or file cannot be opened or decoded."""

    id = "faces.camera"
    fault = Fault.PEER
    http_status = 502


class ModelError(FaceTrackerError):
    """A model file is missing or is not the model it should be."""

    id = "faces.model"
    fault = Fault.CALLER
    http_status = 422


class ConsentMissingError(FaceTrackerError):
    """Recognition was asked for without a recorded legal basis and notice."""

    id = "faces.consent_missing"
    fault = Fault.CALLER
    http_status = 409
