"""A face as 128 numbers: dlib's ResNet descriptor, whose Euclidean distance tells people apart."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from face_tracker.detector import Face, Image
from face_tracker.errors import ModelError

Descriptor = npt.NDArray[np.float64]
"""128 numbers; two of one person are mostly nearer than 0.55."""

_LANDMARKS: Final = "shape_predictor_5_face_landmarks.dat"
_NETWORK: Final = "dlib_face_recognition_resnet_model_v1.dat"


class Describer(Protocol):
    """One that turns a face into a descriptor."""

    def describe(self, image: Image, face: Face) -> Descriptor:
        """Return the descriptor of a face in a frame."""
        ...


class ResnetDescriber:
    """dlib's face recognition network behind its five-point alignment."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load both models.

        Args:
            folder: where the files are; by default the package `face_recognition_models`.

        Raises:
            ModelError: a file is missing or damaged.
        """
        import dlib  # noqa: PLC0415 - takes a while; a server without cameras needs it never

        folder = folder or _packaged_models()
        self._rectangle = dlib.rectangle
        try:
            self._landmarks = dlib.shape_predictor(str(folder / _LANDMARKS))
            self._network = dlib.face_recognition_model_v1(str(folder / _NETWORK))
        except RuntimeError as error:
            raise ModelError(f"The face recognition models in {folder} cannot be loaded: {error}.") from error

    def describe(self, image: Image, face: Face) -> Descriptor:
        """Return the descriptor of a face in a frame."""
        box = self._rectangle(round(face.left), round(face.top), round(face.right) - 1, round(face.bottom) - 1)
        shape = self._landmarks(image, box)
        return np.array(self._network.compute_face_descriptor(image, shape), dtype=np.float64)


def _packaged_models() -> Path:
    # The package's own module needs setuptools at import; its files are all that is wanted.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("The package face_recognition_models is not installed.", hint="Call `make setup`.")
    return Path(spec.submodule_search_locations[0]) / "models"


def distance(first: Descriptor, second: Descriptor) -> float:
    """Return the Euclidean distance of two descriptors."""
    return float(np.linalg.norm(first - second))
