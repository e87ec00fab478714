"""What Temporal runs."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

from benchmarks.peers.asking import STEPS


@workflow.defn
class Counter:
    """An object with a key: a workflow whose id is the key, and which goes on until its history is long."""

    def __init__(self) -> None:
        self.total = 0

    @workflow.run
    async def run(self, total: int) -> None:
        """Answer, until it is time to begin again with the same sum."""
        self.total += total
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self.total)

    @workflow.update
    def add(self, amount: int) -> int:
        """Add, and say how much it is."""
        self.total += amount
        return self.total

    @workflow.signal
    def add_later(self, amount: int) -> None:
        """Add."""
        self.total += amount


@activity.defn
async def twice(number: int) -> int:
    """Something to do."""
    return number * 2


@workflow.defn
class Work:
    """A handler of steps."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Ten steps, one after the other."""
        for _ in range(STEPS):
            patience = timedelta(seconds=30)
            number = await workflow.execute_activity(twice, number, start_to_close_timeout=patience) % 1_000
        return number
