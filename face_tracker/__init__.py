"""Cameras, face detection, tracking, recognition of returning visitors, visit counts."""
