"""Durable time: sleeps, and the current time that a replay repeats."""

from __future__ import annotations

import math

from actors.model.verbs.branches import branch_for, source_line
from actors.replay.branches import Branch, Operation
from actors.values.arguments import Instant, Seconds, checked_instant, checked_seconds
from actors.values.limits import NEVER
from journal import events as e


async def sleep(seconds: Seconds) -> None:
    """Wait durably: the process may stop meanwhile. Never returns early.

    A sleep beyond the year 9999 never ends. Raises :class:`InvalidArgumentError` for a duration that is not finite, or negative.

    ::

        await actors.sleep(3600)
    """
    span = checked_seconds(seconds, "seconds", at_most=math.inf)
    branch = branch_for("sleep")
    await _sleep_until(branch, branch.execution.live_now + span, source_line(1))


async def sleep_until(at: Instant) -> None:
    """Wait durably until a time: seconds since 1970 UTC, or a datetime with a zone.

    A time in the past ends the wait at once, and a time after the year 9999 never comes. Raises :class:`InvalidArgumentError` for a
    number that is not finite.

    ::

        await actors.sleep_until(actors.current_time() + 60)
    """
    await _sleep_until(branch_for("sleep_until"), checked_instant(at, "at"), source_line(1))


class SleepOperation(Operation, kw_only=True):
    """A handler sleeps until ``wake_at``."""

    wake_at: float
    source: str

    request = e.SleepScheduled
    completion = e.TimerFired

    def is_recorded_as(self, recorded: e.SleepScheduled) -> bool:
        return True

    def schedule(self) -> None:
        self.event = e.SleepScheduled(
            invocation_id=self.branch.execution.invocation_id,
            step=self.step,
            wake_at=min(self.wake_at, NEVER),
            source=self.source,
        )


async def _sleep_until(branch: Branch, at: float, source: str) -> None:
    await SleepOperation(branch, branch.following_step, wake_at=at, source=source)


def current_time() -> float:
    """The current time for a handler, in seconds since 1970 UTC: the time of the last completion that it received, or of its start.

    The time is recorded with that event, so every replay sees the same.

    ::

        self.lines.append((actors.current_time(), text))
    """
    return branch_for("current_time").execution.now
