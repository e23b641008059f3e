"""Steps of a worker: what is told to end ends, whatever happens at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from generation.ledger.steps import wait_for


@pytest.mark.parametrize("ticks", range(6))
def test_who_is_cancelled_as_the_event_comes_does_not_go_on(ticks: int):
    async def looping(event: asyncio.Event) -> None:
        while True:
            event.clear()
            await wait_for(event, 60)

    async def race() -> None:
        event = asyncio.Event()
        task = asyncio.create_task(looping(event))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), 5)
        assert task.cancelled()

    asyncio.run(race())


def test_without_the_event_it_waits_no_longer():
    asyncio.run(asyncio.wait_for(wait_for(asyncio.Event(), 0.01), 5))
