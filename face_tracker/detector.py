"""Finding faces in a frame: dlib's HOG detector, or YuNet from an ONNX file where one is configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from face_tracker.errors import ModelError

Image = npt.NDArray[np.uint8]
"""A frame: height × width × 3, red, green, blue."""
Boxes = npt.NDArray[np.float64]
"""Rows of left, top, right, bottom in pixels."""

_HOG_THRESHOLD: Final = 0.2
"""Above dlib's own 0: collars and curtains score a little more than that, faces well over it."""
_YUNET_THRESHOLD: Final = 0.7
_YUNET_STRIDES: Final = (8, 16, 32)
_OVERLAP: Final = 0.3


@dataclass(slots=True, frozen=True)
class Face:
    """A face in a frame: its box in pixels and the detector's score (higher is surer)."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left


class Detector(Protocol):
    """One that finds faces."""

    def detect(self, image: Image) -> list[Face]:
        """Return the faces of a frame, surest first."""
        ...


class HogDetector:
    """dlib's frontal face detector; finds faces from about 60 pixels."""

    def __init__(self) -> None:
        import dlib  # noqa: PLC0415 - takes a while; a server without cameras needs it never

        self._detector = dlib.get_frontal_face_detector()

    def detect(self, image: Image) -> list[Face]:
        """Return the faces of a frame, surest first."""
        grey = np.ascontiguousarray((image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8))
        found, scores, _ = self._detector.run(grey, 0, _HOG_THRESHOLD)
        return [
            Face(box.left(), box.top(), box.right() + 1, box.bottom() + 1, score)
            for box, score in zip(found, scores, strict=True)
        ]


class YunetDetector:
    """YuNet (Wu, Peng and Yu, 2023) on onnxruntime; finds faces from about 20 pixels."""

    def __init__(self, model: Path) -> None:
        """Load the model.

        Raises:
            ModelError: the file is missing, is no ONNX model, or has other outputs than YuNet's.
        """
        if not model.is_file():
            raise ModelError(f"There is no face detector model {model}.", hint="Correct RAMAL_FACES_DETECTOR_MODEL.")
        import onnxruntime  # noqa: PLC0415 - takes a while; a server without cameras needs it never

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common public root
            raise ModelError(f"{model} is not a model that can be loaded: {error}.") from error
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in _YUNET_STRIDES]
        if not set(names) <= {output.name for output in self._session.get_outputs()}:
            raise ModelError(f"{model} is not a YuNet face detector: its outputs are others.")
        self._names = names
        self._input = self._session.get_inputs()[0].name

    def detect(self, image: Image) -> list[Face]:
        """Return the faces of a frame, surest first."""
        height, width = image.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = image[:, :, ::-1]
        outputs = self._session.run(self._names, {self._input: padded.transpose(2, 0, 1)[None]})
        found = dict(zip(self._names, outputs, strict=True))
        boxes, scores = [], []
        for stride in _YUNET_STRIDES:
            score = np.sqrt(np.clip(found[f"cls_{stride}"][0, :, 0] * found[f"obj_{stride}"][0, :, 0], 0, 1))
            keep = np.flatnonzero(score >= _YUNET_THRESHOLD)
            rows, columns = np.divmod(keep, padded.shape[1] // stride)
            shape = found[f"bbox_{stride}"][0, keep]
            centre_x, centre_y = (columns + shape[:, 0]) * stride, (rows + shape[:, 1]) * stride
            half_w, half_h = np.exp(shape[:, 2]) * stride / 2, np.exp(shape[:, 3]) * stride / 2
            boxes.append(np.stack([centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h], 1))
            scores.append(score[keep])
        return _strongest(np.concatenate(boxes), np.concatenate(scores))


def _strongest(boxes: Boxes, scores: npt.NDArray[np.float64]) -> list[Face]:
    """Keep the surest of boxes that overlap (non-maximum suppression)."""
    kept: list[int] = []
    for index in np.argsort(-scores):
        if not kept or overlap(boxes[index : index + 1], boxes[kept]).max() < _OVERLAP:
            kept.append(int(index))
    return [
        Face(float(left), float(top), float(right), float(bottom), float(score))
        for (left, top, right, bottom), score in zip(boxes[kept], scores[kept], strict=True)
    ]


def overlap(first: Boxes, second: Boxes) -> npt.NDArray[np.float64]:
    """Return intersection over union of each box of `first` (rows) with each of `second` (columns)."""
    left_top = np.maximum(first[:, None, :2], second[None, :, :2])
    right_bottom = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(right_bottom - left_top, 0, None).prod(axis=2)
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(common / np.maximum(union, 1e-9), dtype=np.float64)


def make_detector(model: Path | None) -> Detector:
    """Return YuNet from the given file, or dlib's detector where none is given."""
    return YunetDetector(model) if model is not None else HogDetector()
