"""All questions, in the order in which they are asked."""

from __future__ import annotations

from benchmarks.questions import (
    activation,
    bulk,
    calls,
    cancel,
    crowd,
    disk,
    fanout,
    growth,
    http,
    memory,
    nested,
    output,
    recovery,
    replay,
    restart,
    sends,
    signals,
    sql,
    start,
    steps,
    thin,
    timers,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        calls,
        sends,
        steps,
        nested,
        fanout,
        timers,
        signals,
        thin,
        output,
        replay,
        activation,
        restart,
        cancel,
        bulk,
        http,
        start,
        recovery,
        crowd,
        disk,
        memory,
        growth,
        sql,
    )
)
"""In the order in which they are asked."""
