"""One question a file."""

from __future__ import annotations

from benchmarks.questions import calls, cancel, fanout, nested, output, sends, signals, sql, steps, timers

QUESTIONS = tuple(
    module.QUESTION for module in (calls, sends, steps, nested, fanout, timers, signals, output, cancel, sql)
)
"""In the order in which they are asked."""
