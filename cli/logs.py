"""Logs of a server: one line an event on stderr, whatever is in it."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from cli.render.output import safe


def set_up_logs(*, verbose: bool) -> None:
    """Send the logs of every module to stderr: coloured for a terminal, as JSON otherwise."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        _traceback_apart,
        _one_line,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("hypercorn").setLevel(logging.WARNING)


def _traceback_apart(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The traceback of a handler or a step, as that of an exception: its lines are indented, so none looks like an event."""
    traceback = getattr(entry.get("_record"), "traceback", "")
    if traceback:
        entry["event"] = entry["event"].removesuffix(f"\n{traceback}")
        entry["exception"] = "\n".join(f"  {safe(line)}" for line in traceback.splitlines())
    return entry


def _one_line(_: Any, __: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Nothing in a log may look like another line of it."""
    return {
        key: safe(value) if isinstance(value, str) and key != "exception" else value for key, value in entry.items()
    }
