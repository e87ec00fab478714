"""A pytest plugin that tells slow from stuck: ``-p tests.progress``, instead of a dot for each test.

It says how many tests of how many have ended, after how long, and which test has been running longest once none has ended for
``QUIET_SECONDS``. In a terminal this is one line that is rewritten; in a log it is a line a minute. A test that fails is named at
once; why it failed is told at the end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.long_files import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET_SECONDS = 30.0
"""After this long without a test that ends, the one that has been running longest is named."""

TERMINAL_SECONDS = 1.0
LOG_SECONDS = 60.0


@attrs.define(eq=False)
class Progress:
    """How far the tests are. Times are seconds since some moment, in the order in which the methods are called."""

    started: float
    total: int = 0
    ended: int = 0
    failed: int = 0
    last_news: float = attrs.field(init=False)
    running: dict[str, float] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.last_news = self.started

    def begin(self, test: str, now: float) -> None:
        """A test begins."""
        self.running[test] = now

    def end(self, test: str, now: float) -> None:
        """A test has ended, the phases around it included."""
        self.running.pop(test, None)
        self.ended += 1
        self.last_news = now

    def is_quiet(self, now: float) -> bool:
        """Whether no test has ended for so long that a reader may ask why."""
        return now - self.last_news >= QUIET_SECONDS

    def line(self, now: float) -> str:
        """All of it in one line."""
        if not self.total:
            return f"{_minutes(now - self.started)}  collecting"
        share = 100 * self.ended // self.total
        line = f"{_minutes(now - self.started)}  {self.ended} of {self.total} tests, {share} %"
        if self.failed:
            line += f", {self.failed} failed"
        if self.is_quiet(now) and self.running:
            test, began = min(self.running.items(), key=lambda item: item[1])
            line += f", running for {now - began:.0f} s: {test}{_usually(test)}"
        return line


def _usually(test: str) -> str:
    seconds = LONGEST.get(test.partition("::")[0])
    return "" if seconds is None else f" (its file takes about {seconds} s on a quiet machine)"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"


class Reporter:
    """The plugin: tells a :class:`Progress` what happens, and prints it from a thread of its own.

    It writes to a copy of the standard output, because pytest captures the original while a test runs in this process.
    """

    def __init__(self) -> None:
        self._progress = Progress(time.monotonic())
        self._out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        self._is_terminal = self._out.isatty()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._print_until_over, name="progress", daemon=True)

    # What pytest says.

    def pytest_sessionstart(self) -> None:
        self._thread.start()

    def pytest_sessionfinish(self) -> None:
        self._over.set()
        self._thread.join()
        self._print(self._progress.line(time.monotonic()), stays=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._progress.total = max(self._progress.total, len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        self._progress.total = len(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        with self._lock:
            self._progress.begin(nodeid, time.monotonic())

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        with self._lock:
            self._progress.end(nodeid, time.monotonic())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._progress.failed += 1
            self._print(f"FAILED {report.nodeid}", stays=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Any:
        """Print no letter for a test: the line says how many there are."""
        category, _, word = yield
        return category, "", word if category else ""

    # What is printed.

    def _print_until_over(self) -> None:
        said = time.monotonic()
        while not self._over.wait(TERMINAL_SECONDS):
            now = time.monotonic()
            with self._lock:
                line = self._progress.line(now)
                every = QUIET_SECONDS if self._progress.is_quiet(now) else LOG_SECONDS
            if self._is_terminal or now - said >= every:
                said = now
                self._print(line)

    def _print(self, line: str, *, stays: bool = False) -> None:
        """Write it; in a terminal over the line before, unless that one stays."""
        if self._is_terminal:
            self._out.write(
                f"\r\x1b[K{line if stays else line[: get_terminal_size().columns - 1]}" + ("\n" if stays else "")
            )
        else:
            self._out.write(f"{line}\n")
        self._out.flush()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter())
