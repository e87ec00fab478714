"""Keeps the invocations, and the requests for updates of them, that wait for the code of their deployment to be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.engine.exceptions import passes
from actors.engine.requests import ObjectRequest
from actors.model.wait_info import CodeWait
from actors.values.failures import text_of, type_of
from journal.events import Failure, PauseCause, Stamp
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.state import InvocationState
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from journal.ids import InvocationId

log = SafeLogger(__name__)

_WOKEN_TOGETHER = 64
"""How many invocations that waited for the same code continue before calls and verbs get their turn."""


class CodeWaits:
    """The invocations and requests of one processor that wait for code. ``submit`` sends a request to an object, ``run_soon`` queues a
    handler. ``nursery`` has the tasks that load code."""

    nursery: trio.Nursery

    def __init__(
        self,
        machine: Machine,
        submit: Callable[[ObjectRequest], None],
        run_soon: Callable[[LoadedObject, InvocationId], None],
    ) -> None:
        self._machine = machine
        self._submit = submit
        self._run_soon = run_soon
        self._waiting: dict[str, dict[InvocationId, LoadedObject]] = {}
        self._requests: dict[str, list[ObjectRequest]] = {}

    def add(self, loaded: LoadedObject, invocation: InvocationState) -> None:
        """Wait for the deployment's code, and run then."""
        self._begin(invocation.deployment)
        self._waiting[invocation.deployment][invocation.invocation_id] = loaded

    def park(self, request: ObjectRequest, deployment: str) -> None:
        """Keep a request until the load of the deployment's code has ended, well or not, and submit it again then."""
        self._begin(deployment)
        self._requests.setdefault(deployment, []).append(request)

    @property
    def parked(self) -> int:
        """The number of requests that wait."""
        return sum(map(len, self._requests.values()))

    def _begin(self, deployment: str) -> None:
        if deployment not in self._waiting:
            self._waiting[deployment] = {}
            self.nursery.start_soon(self._load, deployment, name=f"load {deployment}")

    def of(self, invocation: InvocationState) -> CodeWait | None:
        """The code that the invocation waits for, if it is not loaded."""
        deployment = invocation.deployment
        if invocation.invocation_id not in self._waiting.get(deployment, ()):
            return None
        failure = self._machine.applications.failure_of(deployment)
        if failure is None:
            return CodeWait(deployment=deployment)
        again_at = self._machine.now + failure.again_at - trio.current_time()
        return CodeWait(deployment=deployment, error=text_of(failure.error), tries=failure.tries, again_at=again_at)

    async def _load(self, deployment: str) -> None:
        error: BaseException | None = None
        try:
            await self._machine.applications.load_patiently(deployment)
        except BaseException as raised:  # the modules of the code run while they are imported
            if passes(raised):
                raise
            error = raised
        waiting = self._waiting.pop(deployment)
        for request in self._requests.pop(deployment, ()):
            request.code_error = error
            self._submit(request)
        if error is not None and waiting:
            log.error("%d invocations are paused: %s, on which they run, cannot be loaded", len(waiting), deployment)
        for number, (of, loaded) in enumerate(waiting.items(), 1):
            if error is None:
                self._run_soon(loaded, of)
            else:
                self._hold(loaded, of, deployment, error)
            if number % _WOKEN_TOGETHER == 0:
                await trio.lowlevel.checkpoint()  # calls and verbs are taken in between

    def _hold(self, loaded: LoadedObject, of: InvocationId, deployment: str, error: BaseException) -> None:
        invocation = loaded.open_state(of)
        if invocation is None or invocation.deployment != deployment:
            return
        # The log has the traceback: in thousands of histories it would take 16 KiB each.
        failure = Failure(type_of(error), text_of(error))
        reason = f"{failure.message}. Resume it on another deployment, or once this one can be loaded"
        held = c.PauseAttempt(invocation_id=of, cause=PauseCause.CODE, reason=reason, failure=failure)
        stamp = Stamp(self._machine.environment.clock.now(), f"load {deployment}", "engine")
        self._submit(ObjectRequest(loaded.stream, held, stamp))
