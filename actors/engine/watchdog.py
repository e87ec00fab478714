"""Notices users' code that keeps the event loop to itself, names its line, and in the end interrupts it.

A handler, or the body of an async step, has the loop's thread until its next await. What never gets there would stop every
other invocation, every request, and the end of the process. A thread of the watchdog's looks from outside, since the loop cannot:
after ``REPORT_SECONDS`` it says whose turn it is and at which line, after ``Limits.blocking_seconds`` it has an
:class:`Interruption` raised there. The turn is dropped and its invocation paused (``Attempt``, ``StepTask``).

How it is raised. Where the loop runs in the main thread, by a signal: its handler runs between two bytecodes of exactly the code
that is to be interrupted, so that it can look first whether that still has the turn, and a system call (``time.sleep``, a read
from a socket, a lock) ends for it. SIGURG is taken as in Go's runtime, and for its reasons: libraries do not use it, and one that
comes too late is harmless (https://go.googlesource.com/proposal/+/master/design/24543-non-cooperative-preemption.md).
SIGVTALRM comes after each second of processor time by itself: a search by a regular expression, or a power of large integers,
never lets go of the interpreter, so that no other thread could send anything, but looks for signals. In another thread signals
are of no use; there ``PyThreadState_SetAsyncExc`` has to do, which ends no system call, and which may come late: so the code that leaves a
turn receives what has not come yet (``_take_back``).

What cannot be interrupted: a call into C that neither returns nor looks for signals. ``journal.in_flight`` records whose turn it is,
so after two deaths in a row in the turn of one invocation the next start pauses that invocation. The same holds for code that
crashes the process.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
from trio._core._run import GLOBAL_RUN_CONTEXT  # trio has no public way to ask from another thread which task runs

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
"""A turn that takes longer is worth a line in the log."""

REPORT_SECONDS = 1.0
"""A turn that has taken this long is reported while it goes on, with the line it is at."""

_LOOK_SECONDS = 0.25
_AGAIN_SECONDS = 0.05
_PROCESSOR_SECONDS = 0.5
_CHECKS = 10


class Turn(Protocol):
    """Whose turn it is. ``progress`` grows while it gets on, as a replay does. ``mark`` stands for it in ``journal.in_flight``."""

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
    """Something of an invocation that is neither its handler nor a step: its argument becomes objects."""

    invocation_id: InvocationId
    name: str
    may_be_interrupted: bool
    progress: int = 0

    @property
    def mark(self) -> bytes:
        """The mark of its handler's turns: those follow if this does not end the process."""
        return turn_mark(self.invocation_id)


def blocked_error(name: str, limits: Limits, place: CodeLocation | None) -> BlockedLoopError:
    """What is said of code that was interrupted at this place."""
    line = "" if place is None else f"{place.line}: "
    return BlockedLoopError(
        f"{line}{name} kept the event loop to itself for more than {limits.blocking_seconds:g} seconds "
        "(Limits.blocking_seconds) and was interrupted, since nothing else could run. Put slow work into a step that is a "
        "plain function: it runs in a thread. Then resume"
    )


def held_for_blocking(of: InvocationId, error: BlockedLoopError, place: CodeLocation | None) -> c.PauseAttempt:
    """The pause that follows."""
    failure = Failure(type_of(error), text_of(error), "" if place is None else place.frames)
    return c.PauseAttempt(invocation_id=of, cause=PauseCause.BLOCKED, reason=failure.message, failure=failure)


@attrs.define(eq=False)
class _Stretch:
    """A time in which the same code has the loop. ``key`` tells one from another; ``turn`` is None where it is nobody's: a task
    of the engine, or of the program around it."""

    key: tuple[object, ...]
    turn: Turn | None
    name: str
    seconds: float = 0.0
    is_reported: bool = False


class Watchdog:
    """Told by the engine when users' code has the thread."""

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
        """Where the last turn was interrupted, if it was, whatever its code has made of that."""
        self._lock = threading.Lock()
        self._loop = threading.get_ident()
        self._run_context: dict[str, Any] = {}
        self._by_signal = False
        self._is_pending = False
        self._last = Reading(0.0, 0.0, 0.0)
        self._stretch: _Stretch | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look. Called in the loop's thread."""
        self._loop = threading.get_ident()
        self._run_context = vars(GLOBAL_RUN_CONTEXT)
        self._meter.start()
        self._last = self._meter.read()
        self._by_signal = self._limit < float("inf") and _signals.begin(self)
        self._thread = threading.Thread(target=self._look_on, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._meter.stop()
        if self._by_signal:
            _signals.end(self)
        self._record = None

    def run(self, turn: Turn, function: Callable[..., T], *args: Any) -> T:
        """Call it as a turn. Raises :class:`Interruption` if that was not swallowed; see :meth:`take_interrupted`."""
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
        except Interruption:  # it may have come in the midst of leaving
            self._turn = None
            if self._record is not None:
                self._record[0] = 0
            if self._is_pending:
                self._take_back()
            raise

    def take_interrupted(self) -> CodeLocation | None:
        """Where the last turn was interrupted, if it was."""
        interrupted, self.interrupted = self.interrupted, None
        return interrupted

    def _leave(self, turn: Turn) -> None:
        if self._is_pending:
            self._take_back()
        took = self._own_time_of_turn()
        if took > WARN_SECONDS:
            self._complain(turn, took)

    def _own_time_of_turn(self) -> float:
        """How long the turn has taken, without what is not its doing."""
        last, now = self._last, self._meter.read()
        excused = self._excused + now.collected - self._excused_before
        if self._thread is not None and now.now - last.now > 2 * _LOOK_SECONDS:
            excused += max(0.0, now.now - last.now - (now.busy - last.busy))  # nobody has looked: nothing ran
        return now.now - self._since - excused

    def _take_back(self) -> None:
        """Have no exception come later that was sent. It is received here if need be: CPython 3.11 does not notice when one is
        withdrawn, and would look for it at each of its checks from then on."""
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

    # Looking, in the watchdog's thread.

    def _look_on(self) -> None:
        seconds = _LOOK_SECONDS
        while not self._stop.wait(seconds):
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
        """Whose code has had the loop since the last look, and for how long in all.

        What the loop's code has not done counts for nothing: see :mod:`actors.engine.meter`.
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
            self._is_pending = True  # before the turn is looked at: the turn's end looks at it
            if self._turn is None or self._turn is not stretch.turn:
                self._is_pending = False
                return
            self._note(frame)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._loop), ctypes.py_object(Interruption))

    # Looking, in the loop's thread.

    def look_in_loop(self, frame: FrameType) -> None:
        """A signal has come. Raises :class:`Interruption` if the code that has the loop has had it for too long."""
        stretch = self._at_work(longest=2 * _PROCESSOR_SECONDS)
        if stretch is not None and self._is_too_long(stretch) and is_in_users_code(frame):
            raise Interruption(self._note(frame))

    def _note(self, frame: FrameType) -> CodeLocation:
        place = self.interrupted = place_of(frame)
        return place


class _Signals:
    """The two signals, while any watchdog of the main thread uses them."""

    def __init__(self) -> None:
        self._watchdogs: list[Watchdog] = []

    def begin(self, watchdog: Watchdog) -> bool:
        """Have it look at each signal; whether that is possible here."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if not self._watchdogs:
            if not _are_free():
                return False
            signal.signal(signal.SIGURG, self._look)
            signal.signal(signal.SIGVTALRM, self._look)
            # It comes to any thread, at any time: system calls of others should not end for it.
            signal.siginterrupt(signal.SIGVTALRM, False)
            signal.setitimer(signal.ITIMER_VIRTUAL, _PROCESSOR_SECONDS, _PROCESSOR_SECONDS)
        self._watchdogs.append(watchdog)
        return True

    def end(self, watchdog: Watchdog) -> None:
        """It looks no more."""
        self._watchdogs.remove(watchdog)
        if not self._watchdogs:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, signal.SIG_IGN)  # by default, one that comes late would end the process
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
