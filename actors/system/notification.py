"""Sends the notices of a notification: an object for each lane, so that a few are sent at a time and the rest wait durably. ::

    the commit of a change ──► a message to Notification/3/pager ──► deliver   one POST, and its result
                                                                        │
                                                                     deliver   a delayed message to itself, if it failed

The message is in the batch of the change (``actors.engine.notices``), so neither exists without the other. A try that a crash
interrupted is repeated: a notice arrives at least once, always with the same id. A notice that fails waits after the others of
its lane, so that one that its address never takes holds up nothing.

A name may be reused after its notification was deleted. The counts of a lane belong to one ``life``, and begin at zero with the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from actors.core.notifications import Notice, PostResult
from actors.model.classes import Actor, service_name
from actors.model.handlers import handler
from actors.model.verbs.context import random
from actors.model.verbs.steps import run
from actors.model.verbs.time import current_time
from actors.system.inside import current_client
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.retries import RetryPolicy
from journal.events import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.ids import InvocationId

LANES = 8
"""How many notices of one notification are sent at a time. The notices of one invocation use the same lane."""

FORGET_SECONDS = 60.0
"""How long the invocations that send notices are kept."""

DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""The delays between the tries of one notice, in seconds, as the Standard Webhooks specification suggests: three days in all."""

_JITTER = 0.1

_STEADFAST = RetryPolicy(max_attempts=None, initial_delay=1.0, max_delay=60.0)
"""For tries that a crash interrupted; the answers of the address are not errors of the step."""


class Notification(Actor):
    """One lane of a notification; its key is the number of the lane and the name."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    life: str = ""
    delivered: int = 0
    failed_tries: int = 0
    given_up: int = 0
    delivered_at: float | None = None
    failing_since: float | None = None
    last_error: str = ""
    last_error_at: float | None = None

    @handler(retention=FORGET_SECONDS)
    async def deliver(self, name: str, life: str, notice: Notice, tries: int = 0) -> None:
        """Send a notice. If its address does not take it, send it again later, ten times in all."""

        async def post() -> PostResult:
            return await current_client().post_notice(name, life, notice)

        result = await run(post, name="post", retry=_STEADFAST)
        if result.is_dropped:
            return
        if self.life != life:
            self._begin(life)
        now = current_time()
        if not result.error:
            self.delivered, self.delivered_at, self.failing_since = self.delivered + 1, now, None
            return
        self.failed_tries, self.last_error, self.last_error_at = self.failed_tries + 1, result.error, now
        if self.failing_since is None:
            self.failing_since = now
        if tries >= len(DELAYS) or result.is_final:
            self.given_up += 1

            async def give_up() -> None:
                await current_client().give_up_notice(name, notice, result.error)

            await run(give_up, name="give up", retry=_STEADFAST)  # after the end of the last try is on disk
            return
        delay = DELAYS[tries] * (1.0 + _JITTER * random().random())
        await self.deliver.options(delay=delay).send(name, life, notice, tries + 1)

    @handler(retention=FORGET_SECONDS)
    async def forget(self, life: str) -> None:
        """Delete the counts, because the notification is deleted."""
        if self.life == life:
            self._begin("")

    def _begin(self, life: str) -> None:
        self.life = life
        self.delivered = self.failed_tries = self.given_up = 0
        self.delivered_at = self.failing_since = self.last_error_at = None
        self.last_error = ""


def lane_target(lane: str, handler_name: str) -> Target:
    """Return the target of a handler of a lane."""
    return Target(service_name(Notification), lane, handler_name)


def lane_of(name: str, of: InvocationId) -> str:
    """Return the key of the object that sends the notices of an invocation for a notification."""
    return f"{crc32(of.encode()) % LANES}/{name}"


def lanes_of(name: str) -> Iterator[str]:
    """Yield the keys of the objects that send the notices of a notification."""
    return (f"{number}/{name}" for number in range(LANES))
