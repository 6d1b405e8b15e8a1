"""What routing says about its own decisions, line by line."""

from __future__ import annotations


class Explanation(list[str]):
    """The lines of one decision, in order: written by the very code that decides."""

    __slots__ = ("thorough",)

    def __init__(self, *lines: str, thorough: bool = False) -> None:
        super().__init__(lines)
        self.thorough = thorough
        """Whether what was not chosen is told, too; for people who ask, not for each call."""
