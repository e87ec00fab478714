"""Ends a server process on a signal, even if user code blocks or ignores it.

Python runs signal handlers in the main thread, between two bytecodes, so code that keeps that thread busy would also delay
SIGTERM. But Python writes each signal at once to a file descriptor (``signal.set_wakeup_fd``). A thread reads from its other end:
it informs the event loop, and ends the process itself at the second signal or when the time is over.

User code runs in the main thread too, and may set its own handlers or ignore signals (some libraries do so when they start). The
event loop therefore checks from time to time, and restores the handlers.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from cli.exit_codes import Exit
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from types import TracebackType

log = SafeLogger(__name__)

_ASKS = (signal.SIGTERM, signal.SIGINT)

_AFTER_THE_DRAIN_SECONDS = 3.0
"""How long after the drain an event loop that does not answer is abandoned."""

_CLOSING_SECONDS = 20.0
"""How long closing the store may take."""

_LOOK_SECONDS = 1.0
"""How often the event loop checks that signals still arrive."""

_LEAVE_SECONDS = 2.0
"""How long threads that user code has left may delay the end of the interpreter."""


class GracefulShutdown:
    """Ends the process on a signal. Entered in the main thread, in trio, for as long as the server runs."""

    def __init__(self, drain_seconds: float) -> None:
        self._drain_seconds = drain_seconds
        self._asked = trio.Event()
        self._asked_at: float | None = None
        self._force_at: float | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> GracefulShutdown:
        self._token = trio.lowlevel.current_trio_token()
        self._told, told = os.pipe()
        os.set_blocking(told, False)
        self._end = told
        self._trios = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in _ASKS:
            self._before[number] = signal.signal(number, _nothing)
        threading.Thread(target=self._listen, name="stop", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._trios)
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._end)

    async def asked(self) -> None:
        """Wait until the process has been asked to end."""
        while not self._asked.is_set():
            with trio.move_on_after(_LOOK_SECONDS):
                await self._asked.wait()
            self._take_back()

    def _take_back(self) -> None:
        """Restore the signal handlers if the application's code has changed them."""
        is_changed = signal.set_wakeup_fd(self._end, warn_on_full_buffer=False) != self._end
        for number in _ASKS:
            if signal.getsignal(number) is not _nothing:
                signal.signal(number, _nothing)
                is_changed = True
        if is_changed:
            log.warning(
                "the application replaced the signal handlers; the server restored its own, so that signals still stop it"
            )

    def closing(self) -> None:
        """Stop waiting for user code: only the store is left to close."""
        self._force_at = time.monotonic() + _CLOSING_SECONDS

    # In the thread.

    def _listen(self) -> None:
        with os.fdopen(self._told, "rb", buffering=0) as told:
            while True:
                ready, _, _ = select.select([told], [], [], self._patience())
                if not ready and self._patience() == 0:
                    _leave_by_force("it did not end in time", Exit.FORCED)
                signals = told.read(64) if ready else None
                if signals == b"":
                    return
                for number in signals or b"":
                    self._take(number)

    def _patience(self) -> float | None:
        return None if self._force_at is None else max(0.0, self._force_at - time.monotonic())

    def _take(self, number: int) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(_nothing)  # trio does not notice signals by itself meanwhile
            if number not in _ASKS:
                return
            if self._asked_at is not None:
                _leave_by_force("it was asked a second time", Exit.FORCED)
            self._asked_at = time.monotonic()
            self._force_at = self._asked_at + self._drain_seconds + _AFTER_THE_DRAIN_SECONDS
            self._token.run_sync_soon(self._asked.set)


def leave_at_once(code: Exit) -> None:
    """End the process without the interpreter's shutdown, which would wait for abandoned threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def leave_soon() -> None:
    """End the process soon, even if threads of user code would keep the interpreter alive."""

    def leave() -> None:
        names: list[str] = []
        while not names:
            time.sleep(_LEAVE_SECONDS)
            others = set(threading.enumerate()) - {threading.main_thread()}
            names = sorted(thread.name for thread in others if not thread.daemon)
        _leave_by_force(f"threads of the application are still running: {', '.join(names)}", Exit.ABANDONED)

    threading.Thread(target=leave, name="leave", daemon=True).start()


def _leave_by_force(why: str, code: Exit) -> None:
    """End the process with a line on stderr that shows where the main thread is. No lock is taken: its holder may never release
    it."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    where = "" if frame is None else "".join(traceback.format_stack(frame, limit=None)[-3:])
    with suppress(OSError):
        os.write(
            2,
            f"the process ends at once because {why}; its main thread was at:\n{where}".encode(
                errors="backslashreplace"
            ),
        )
    os._exit(code)


def _nothing(*_: object) -> None:
    """Do nothing. Python notes a signal only if it has a handler."""
