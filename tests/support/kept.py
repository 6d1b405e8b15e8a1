"""What an object keeps in memory."""

from __future__ import annotations

import gc
from types import ModuleType


def kept_by(root: object) -> list[object]:
    """Return everything that an object leads to, but for classes, modules and what stands in modules."""
    found, waiting = {id(root): root}, [root]
    while waiting:
        for one in gc.get_referents(waiting.pop()):
            own = not isinstance(one, type | ModuleType) and not (isinstance(one, dict) and "__builtins__" in one)
            if own and id(one) not in found:
                found[id(one)] = one
                waiting.append(one)
    return list(found.values())
