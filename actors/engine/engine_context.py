"""The services that every attempt of an engine uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.engine.notices import Notices
from actors.engine.threads import Threads
from actors.engine.undeclared_fields import UndeclaredFields
from actors.event_loop import guard_trio
from actors.model.definitions import NothingStored
from actors.model.verbs.refused_use import refused_use
from actors.model.verbs.unawaited import watch_unawaited
from actors.values.failures import failed, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.asyncio_steps import AsyncioSteps
    from actors.engine.observer import Observer
    from actors.engine.watchdog import Watchdog
    from actors.environment import Environment
    from actors.model.definitions import NameLookup
    from actors.model.link_signer import LinkSigner
    from actors.values.limits import Limits
    from journal.events import Failure, Outcome
    from journal.in_flight import InFlight


def _no_note(error: BaseException) -> str:
    return ""


@attrs.define(eq=False, kw_only=True)
class EngineContext:
    """The services that every attempt of an engine uses."""

    environment: Environment
    limits: Limits
    watchdog: Watchdog
    stored: NameLookup = attrs.field(factory=NothingStored)
    secret: str = ""
    """The secret of the store, which is part of the ids of requests with an idempotency key."""
    links: LinkSigner | None = None
    """Makes the links of questions. None for a replay that has no effect, such as a check."""
    in_flight: InFlight | None = None
    """Records which user code has the event loop, for the next process."""
    fail_fast: bool = False
    """Whether a mistake in the code fails an invocation at once, unless its policy says otherwise."""
    observer: Observer | None = None
    """Is told what is durable and which steps begin."""
    note_on: Callable[[BaseException], str] = _no_note
    """Returns what the record of an error says about the code that raised it, besides its text."""
    notices: Notices = attrs.field(
        init=False, default=attrs.Factory(lambda self: Notices(self.environment), takes_self=True)
    )
    """Reports changes of invocations to addresses outside."""
    threads: Threads = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: Threads(self.environment.offload_detached, self.limits), takes_self=True),
    )
    """The threads for steps that are plain functions."""
    undeclared: UndeclaredFields = attrs.field(init=False, factory=UndeclaredFields)
    """Logs stored fields without a declaration."""
    _asyncio_steps: AsyncioSteps | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        guard_trio(refused_use)
        watch_unawaited()

    def failure_of(self, error: BaseException) -> Failure:
        """Return the record of an error of a handler or a step, with a note on the code that raised it. Never raises."""
        failure, note = failure_of(error), self.note_on(error)
        return attrs.evolve(failure, message=f"{failure.message} ({note})") if note else failure

    def failed(self, error: BaseException) -> Outcome:
        """Return the outcome *failed* with this error, as :func:`actors.values.failures.failed` does, with that note."""
        outcome, note = failed(error), self.note_on(error)
        if not note or outcome.failure is None:
            return outcome
        return attrs.evolve(
            outcome, failure=attrs.evolve(outcome.failure, message=f"{outcome.failure.message} ({note})")
        )

    @property
    def asyncio_steps(self) -> AsyncioSteps:
        """The asyncio loop of steps, which starts when it is first used."""
        if self._asyncio_steps is None:
            from actors.engine.asyncio_steps import AsyncioSteps  # most engines never need asyncio

            self._asyncio_steps = AsyncioSteps()
            self.watchdog.also_look(self._asyncio_steps.look)
        return self._asyncio_steps

    async def close(self) -> None:
        """End the asyncio loop of steps, if it has started."""
        if self._asyncio_steps is not None:
            await self._asyncio_steps.close()
