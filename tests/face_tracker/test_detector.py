"""Detectors: both backends on a real photograph, and files that are no models."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from face_tracker.detector import HogDetector, YunetDetector, overlap
from face_tracker.errors import ModelError

YUNET = Path(__file__).parents[2].parent / "shared" / "data" / "faces" / "yunet_n_dynamic.onnx"


def test_the_hog_detector_finds_the_one_face() -> None:
    (face,) = HogDetector().detect(data.astronaut())
    assert 160 < (face.left + face.right) / 2 < 290
    assert 60 < (face.top + face.bottom) / 2 < 180


@pytest.mark.skipif(not YUNET.exists(), reason="the YuNet model is not beside this checkout")
def test_yunet_finds_the_same_face() -> None:
    found = YunetDetector(YUNET).detect(data.astronaut())
    (reference,) = HogDetector().detect(data.astronaut())
    boxes = [np.array([[face.left, face.top, face.right, face.bottom]]) for face in (found[0], reference)]
    assert len(found) == 1
    assert overlap(boxes[0], boxes[1])[0, 0] > 0.4


def test_nothing_is_found_in_noise() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert HogDetector().detect(noise) == []


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        YunetDetector(tmp_path / "gone.onnx")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="not a model that can be loaded"):
        YunetDetector(tmp_path / "bad.onnx")
