"""The main job shown on real calls."""
