"""The work that waits for the committer's thread: batches with their tasks, and views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import outcome
import trio

from journal.kv.store import Batch
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = SafeLogger(__name__)


@attrs.define(eq=False)
class WaitingBatch:
    """A batch on its way to the disk, and the task that waits for it."""

    batch: Batch
    task: trio.lowlevel.Task
    token: trio.lowlevel.TrioToken


@attrs.define(eq=False)
class WaitingView:
    """A view was requested; ``answer`` is called in the committer's thread."""

    answer: Callable[[], None]


def wake(jobs: Sequence[WaitingBatch], result: outcome.Outcome[None]) -> None:
    """Continue the tasks of these commits with the result."""

    def reschedule() -> None:
        for job in jobs:
            # An Outcome can be unwrapped once, so each waiter gets its own.
            trio.lowlevel.reschedule(job.task, _own_copy(result))

    try:
        jobs[0].token.run_sync_soon(reschedule)
    except trio.RunFinishedError:
        log.debug("a commit ended after the event loop had")


def _own_copy(result: outcome.Outcome[None]) -> outcome.Outcome[None]:
    if not isinstance(result, outcome.Error):
        return outcome.Value(None)
    error = result.error
    return outcome.Error(type(error)(*error.args).with_traceback(error.__traceback__))
