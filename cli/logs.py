"""Logs of a server: one line for each event on stderr, coloured on a terminal, else JSON.

A JSON line has ``timestamp`` (UTC, ISO 8601), ``level``, ``logger``, ``event`` and, for an exception, ``exception``; in a handler or a
step also what :class:`actors.LogFilter` adds. What a handler logs appears once, whatever is replayed.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import click

from actors.model.handler_log import BOUND_NAMES, LogFilter
from cli.render.output import safe

_TALKATIVE = ("mcp",)
"""Libraries that log each request as something worth knowing."""

_COLOURS = {"debug": "blue", "info": "green", "warning": "yellow", "error": "red", "critical": "red"}


def set_up_logs(*, verbose: bool) -> None:
    """Send the logs of every module to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LogFilter())
    handler.setFormatter(ColouredFormatter() if sys.stderr.isatty() else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.WARNING)


class JsonFormatter(logging.Formatter):
    """A line of JSON in ASCII, so that no message can imitate another line."""

    def format(self, record: logging.LogRecord) -> str:
        event, exception = _parts_of(record)
        entry = {
            "event": event,
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": _timestamp(record),
        }
        bound = {} if _invocation_of(record) is None else {name: vars(record)[name] for name in BOUND_NAMES}
        return json.dumps(entry | bound | ({"exception": exception} if exception else {}))


class ColouredFormatter(logging.Formatter):
    """A line for people; a traceback follows it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        event, exception = _parts_of(record)
        level = record.levelname.lower()
        shown = click.style(f"{level:<9}", fg=_COLOURS.get(level))
        of = _invocation_of(record)
        said_by = record.name if of is None else f"{record.name} {of}"
        line = f"{_timestamp(record)} {shown}{event}  {click.style(safe(said_by), dim=True)}"
        return "\n".join([line, exception]) if exception else line


def _invocation_of(record: logging.LogRecord) -> str | None:
    of: str | None = getattr(record, "invocation_id", None)
    return of


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")


def _parts_of(record: logging.LogRecord) -> tuple[str, str]:
    """Split a record into the message on one line, and the traceback with indented lines so that none looks like an
    event.

    The engine appends the traceback of a handler or a step to its message, and also passes it in ``extra``.
    """
    traceback = getattr(record, "traceback", "")
    message = record.getMessage().removesuffix(f"\n{traceback}") if traceback else record.getMessage()
    raised = traceback or (logging.Formatter().formatException(record.exc_info) if record.exc_info else "")
    return safe(message), "\n".join(f"  {safe(line)}" for line in raised.splitlines())
