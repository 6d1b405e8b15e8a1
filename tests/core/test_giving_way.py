"""Long work that lets others in between."""

import asyncio

import pytest

from core.giving_way import slices


@pytest.mark.parametrize(("count", "turns"), [(0, 0), (3, 0), (4, 1), (7, 2)])
async def test_all_items_come_in_order_and_the_loop_turns_between_slices(count: int, turns: int) -> None:
    loop = asyncio.get_running_loop()
    turned = 0

    def turn() -> None:
        nonlocal turned
        turned += 1

    seen: list[int] = []
    async for some in slices(range(count), 3):
        seen += some
        loop.call_soon(turn)
    assert seen == list(range(count))
    assert turned == turns
