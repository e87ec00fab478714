"""Detects user code that blocks the event loop, reports its line, and finally interrupts it.

A handler, or the body of an async step, has the loop's thread until its next await. Code that never reaches one would stop every
other invocation, every request, and the end of the process. The loop cannot notice that itself, so a thread of the watchdog does:
after ``REPORT_SECONDS`` it logs the invocation and the line, and after ``Limits.blocking_seconds`` it raises an
:class:`Interruption` there. The turn is dropped and its invocation paused (``Attempt``, ``StepTask``).

How it is raised. If the loop runs in the main thread, by a signal: its handler runs between two bytecodes of the code to
interrupt, so it can check that this code still has the turn, and a system call (``time.sleep``, a read from a socket, a lock)
ends for it. The signal is SIGURG, as in Go's runtime and for the same reasons: libraries do not use it, and a late one is
harmless (https://go.googlesource.com/proposal/+/master/design/24543-non-cooperative-preemption.md). SIGVTALRM arrives after each
second of processor time: a regular expression search or a power of large integers never releases the interpreter, so no other
thread could send a signal, but it does check for signals. In another thread signals are of no use; there
``PyThreadState_SetAsyncExc`` is used. It ends no system call and may arrive late, so the code that leaves a turn receives a
pending one (``_take_back``).

It cannot interrupt a call into C that neither returns nor checks for signals. For that, ``journal.in_flight`` records which
invocation has the loop: after two deaths of the process in a row with the same invocation, the next start pauses it. The same
covers code that crashes the process.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
from trio._core._run import (
    GLOBAL_RUN_CONTEXT,
)  # trio has no public way to ask from another thread which task is running

from actors.core import commands as c
from actors.engine.frames import CodeLocation, is_in_users_code, place_of
from actors.engine.meter import LoopMeter, Meter, Reading, own_seconds
from actors.errors import BlockedLoopError, Interruption
from actors.model.contexts import current_step
from actors.values.failures import text_of, type_of
from journal.events import Failure, PauseCause
from journal.in_flight import TURN_BYTES, turn_mark
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from actors.values.limits import Limits
    from journal.ids import InvocationId
    from journal.in_flight import InFlight

T = TypeVar("T")

log = SafeLogger(__name__)

WARN_SECONDS = 0.1
"""A turn that takes longer than this is logged at its end."""

REPORT_SECONDS = 1.0
"""A turn that has taken this long is logged while it runs, with its line."""

_LOOK_SECONDS = 0.25
_AGAIN_SECONDS = 0.05
_PROCESSOR_SECONDS = 0.5
_CHECKS = 10


class Turn(Protocol):
    """The invocation that has the loop. ``progress`` grows while a replay advances. ``mark`` identifies it in
    ``journal.in_flight``."""

    @property
    def invocation_id(self) -> InvocationId: ...

    @property
    def name(self) -> str: ...

    @property
    def mark(self) -> bytes: ...

    @property
    def progress(self) -> int: ...

    @property
    def may_be_interrupted(self) -> bool: ...


@attrs.frozen(eq=False)
class Work:
    """Work for an invocation outside its handler and steps: decoding its argument."""

    invocation_id: InvocationId
    name: str
    may_be_interrupted: bool
    progress: int = 0

    @property
    def mark(self) -> bytes:
        """The mark of its handler's turns, which follow if this does not end the process."""
        return turn_mark(self.invocation_id)


def blocked_error(name: str, limits: Limits, place: CodeLocation | None) -> BlockedLoopError:
    """The error for code that was interrupted at this place."""
    line = "" if place is None else f"{place.line}: "
    return BlockedLoopError(
        f"{line}{name} blocked the event loop for more than {limits.blocking_seconds:g} seconds "
        "(Limits.blocking_seconds) and was interrupted. Put slow work into a step that is a "
        "plain function: it runs in a thread. Then resume"
    )


def held_for_blocking(of: InvocationId, error: BlockedLoopError, place: CodeLocation | None) -> c.PauseAttempt:
    """The command that pauses the invocation afterwards."""
    failure = Failure(type_of(error), text_of(error), "" if place is None else place.frames)
    return c.PauseAttempt(invocation_id=of, cause=PauseCause.BLOCKED, reason=failure.message, failure=failure)


@attrs.define(eq=False)
class _Stretch:
    """A period in which the same code has the loop. ``key`` identifies it. ``turn`` is None for code of no invocation: a task of
    the engine or of the surrounding program."""

    key: tuple[object, ...]
    turn: Turn | None
    name: str
    seconds: float = 0.0
    is_reported: bool = False


class Watchdog:
    """Watches the loop. The engine reports the beginning and the end of user code."""

    def __init__(
        self,
        blocking_seconds: float = float("inf"),
        in_flight: InFlight | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._limit = blocking_seconds
        self._meter: Meter = LoopMeter() if meter is None else meter
        self._excused = 0.0
        self._excused_before = 0.0
        self._record = None if in_flight is None else in_flight.memory
        self._turn: Turn | None = None
        self._since = 0.0
        self.interrupted: CodeLocation | None = None
        """The place where the last turn was interrupted, if it was, even if its code swallowed the interruption."""
        self._lock = threading.Lock()
        self._loop = threading.get_ident()
        self._run_context: dict[str, Any] = {}
        self._by_signal = False
        self._is_pending = False
        self._last = Reading(0.0, 0.0, 0.0)
        self._stretch: _Stretch | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._others: list[Callable[[], None]] = []

    def also_look(self, look: Callable[[], None]) -> None:
        """Call this function as well, in the watchdog's thread, several times a second."""
        self._others.append(look)

    def start(self) -> None:
        """Begin to watch. Called in the loop's thread."""
        self._loop = threading.get_ident()
        self._run_context = vars(GLOBAL_RUN_CONTEXT)
        self._meter.start()
        self._last = self._meter.read()
        self._by_signal = self._limit < float("inf") and _signals.begin(self)
        self._thread = threading.Thread(target=self._look_on, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._meter.stop()
        if self._by_signal:
            _signals.end(self)
        self._record = None

    def run(self, turn: Turn, function: Callable[..., T], *args: Any) -> T:
        """Run the function as a turn. Raises :class:`Interruption` unless the code swallowed it; see :meth:`take_interrupted`."""
        self.interrupted = None
        if self._record is not None:
            self._record[:TURN_BYTES] = turn.mark
        self._excused_before = self._excused + self._meter.collected
        self._since = time.monotonic()
        self._turn = turn
        try:
            try:
                return function(*args)
            finally:
                self._turn = None
                if self._record is not None:
                    self._record[0] = 0
                if self._is_pending or time.monotonic() - self._since > WARN_SECONDS:
                    self._leave(turn)
        except Interruption:  # it may have arrived while the turn was ending
            self._turn = None
            if self._record is not None:
                self._record[0] = 0
            if self._is_pending:
                self._take_back()
            raise

    def take_interrupted(self) -> CodeLocation | None:
        """The place where the last turn was interrupted, if it was."""
        interrupted, self.interrupted = self.interrupted, None
        return interrupted

    def _leave(self, turn: Turn) -> None:
        if self._is_pending:
            self._take_back()
        took = self._own_time_of_turn()
        if took > WARN_SECONDS:
            self._complain(turn, took)

    def _own_time_of_turn(self) -> float:
        """The time that the turn has used, without delays that are not its doing."""
        last, now = self._last, self._meter.read()
        excused = self._excused + now.collected - self._excused_before
        if self._thread is not None and now.now - last.now > 2 * _LOOK_SECONDS:
            excused += max(
                0.0, now.now - last.now - (now.busy - last.busy)
            )  # the watchdog has taken no reading: nothing was running
        return now.now - self._since - excused

    def _take_back(self) -> None:
        """Make sure that an exception that was sent does not arrive later. It is received here if necessary: CPython 3.11 does
        not notice that one is withdrawn, and would check for it from then on."""
        try:
            with self._lock:  # its sender holds it
                self._is_pending = False
            for _ in range(_CHECKS):
                pass
        except Interruption:
            self._is_pending = False

    def _complain(self, turn: Turn, took: float) -> None:
        place = self.interrupted
        if place is None:
            log.warning(
                "%s (%s) blocked the event loop for %.2f seconds: nothing else ran meanwhile. Put slow work into a step "
                "that is a plain function",
                *(turn.name, turn.invocation_id, took),
            )
        else:
            log.error(
                "%s (%s) was interrupted: it had blocked the event loop for %.1f seconds, at:\n%s",
                *(turn.name, turn.invocation_id, took, place.frames),
            )

    # In the watchdog's thread.

    def _look_on(self) -> None:
        seconds = _LOOK_SECONDS
        while not self._stop.wait(seconds):
            for look in self._others:
                look()
            stretch = self._at_work(longest=2 * seconds)
            seconds = min(_LOOK_SECONDS, self._limit / 4)
            if stretch is None:
                continue
            if stretch.seconds >= REPORT_SECONDS and not stretch.is_reported:
                self._report(stretch)
            if self._is_too_long(stretch):
                seconds = _AGAIN_SECONDS
                if self._by_signal:
                    signal.pthread_kill(self._loop, signal.SIGURG)
                else:
                    self._send_exception(stretch)

    def _at_work(self, *, longest: float) -> _Stretch | None:
        """The code that has had the loop since the last reading, and its total time.

        Delays that the loop's code did not cause do not count: see :mod:`actors.engine.meter`.
        """
        last, now = self._last, self._meter.read()
        self._last = now
        own = own_seconds(last, now, longest=longest)
        self._excused += max(0.0, now.now - last.now - own - (now.collected - last.collected))
        found = self._find()
        known = self._stretch
        if found is None or known is None or found.key != known.key:
            self._stretch = found
            return None
        known.seconds += own
        return known

    def _find(self) -> _Stretch | None:
        turn = self._turn
        if turn is not None:
            return _Stretch((turn, self._since, turn.progress), turn, f"{turn.name} ({turn.invocation_id})")
        task = self._run_context.get("task")
        if task is None:
            return None
        step: Any = task.context.get(current_step)  # also of a task that a step has started
        return _Stretch((task, task._schedule_points), step, f"the task {task.name}")

    def _report(self, stretch: _Stretch) -> None:
        stretch.is_reported = True
        frame = sys._current_frames().get(self._loop)
        log.error(
            "%s has blocked the event loop for more than %.0f second and still does, at:\n%s",
            *(stretch.name, REPORT_SECONDS, "" if frame is None else place_of(frame).frames),
        )

    def _is_too_long(self, stretch: _Stretch) -> bool:
        turn = stretch.turn
        return turn is not None and turn.may_be_interrupted and stretch.seconds >= self._limit

    def _send_exception(self, stretch: _Stretch) -> None:
        with self._lock:
            frame = sys._current_frames().get(self._loop)
            if frame is None or not is_in_users_code(frame):
                return
            self._is_pending = True  # before the turn is checked: the end of the turn checks it as well
            if self._turn is None or self._turn is not stretch.turn:
                self._is_pending = False
                return
            self._note(frame)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._loop), ctypes.py_object(Interruption))

    # In the loop's thread.

    def look_in_loop(self, frame: FrameType) -> None:
        """Handle a signal. Raises :class:`Interruption` if the code that has the loop has had it for too long."""
        stretch = self._at_work(longest=2 * _PROCESSOR_SECONDS)
        if stretch is not None and self._is_too_long(stretch) and is_in_users_code(frame):
            raise Interruption(self._note(frame))

    def _note(self, frame: FrameType) -> CodeLocation:
        place = self.interrupted = place_of(frame)
        return place


class _Signals:
    """The two signals, while a watchdog of the main thread uses them."""

    def __init__(self) -> None:
        self._watchdogs: list[Watchdog] = []

    def begin(self, watchdog: Watchdog) -> bool:
        """Call the function at each signal. Returns whether that is possible here."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if not self._watchdogs:
            if not _are_free():
                return False
            signal.signal(signal.SIGURG, self._look)
            signal.signal(signal.SIGVTALRM, self._look)
            # It can arrive in any thread at any time: system calls of others must not end for it.
            signal.siginterrupt(signal.SIGVTALRM, False)
            signal.setitimer(signal.ITIMER_VIRTUAL, _PROCESSOR_SECONDS, _PROCESSOR_SECONDS)
        self._watchdogs.append(watchdog)
        return True

    def end(self, watchdog: Watchdog) -> None:
        """Stop handling signals."""
        self._watchdogs.remove(watchdog)
        if not self._watchdogs:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # by default, a late one would end the process
            signal.signal(signal.SIGURG, signal.SIG_DFL)

    def _look(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            for watchdog in self._watchdogs:
                watchdog.look_in_loop(frame)


def _are_free() -> bool:
    """Whether nothing else in the process uses these signals."""
    nobodys = (signal.SIG_DFL, signal.SIG_IGN)
    has_timer = signal.getitimer(signal.ITIMER_VIRTUAL) != (0.0, 0.0)
    return not has_timer and all(signal.getsignal(n) in nobodys for n in (signal.SIGURG, signal.SIGVTALRM))


_signals = _Signals()
