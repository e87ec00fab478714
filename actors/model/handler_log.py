"""Logs of handlers and steps.

A handler runs again in every replay, so a message through ``logging`` or ``print`` is repeated each time. ``actors.logger`` logs
it once: it is silent in a turn that a replay repeats. :class:`LogFilter` does the same for every logger of the program, and
:func:`log_processor` for structlog.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from actors.model.contexts import HandlerContext, context_of, current_step
from actors.replay.branches import current_branch

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class LogFilter(logging.Filter):
    """A filter for a handler of :mod:`logging`, for messages of handlers and steps through any logger.

    It passes each message of a handler once: not in a turn that a replay repeats. Each record gets the attributes
    ``invocation_id``, ``service``, ``key``, ``handler``, ``step`` and ``attempt``, the number of the attempt or, in a step, of its
    try. They are None outside of handlers and steps. ``playhead serve`` has this filter.

    ::

        logs = logging.StreamHandler()
        logs.addFilter(actors.LogFilter())
        logs.setFormatter(logging.Formatter("%(invocation_id)s %(step)s %(message)s"))
        logging.basicConfig(handlers=[logs])
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_repeating():
            return False
        said = vars(record)
        for name, value in (_bound() or _UNBOUND).items():
            said.setdefault(name, value)  # what actors.logger or a caller has given stays
        return True


BOUND_NAMES = ("invocation_id", "service", "key", "handler", "step", "attempt")
"""The attributes that a record gets."""

_UNBOUND: dict[str, Any] = dict.fromkeys(BOUND_NAMES)


def log_processor(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog that does what :class:`LogFilter` does: it adds the same names to an event in handlers and steps, and
    drops it in a turn that a replay repeats.

    ::

        structlog.configure(processors=[structlog.contextvars.merge_contextvars, actors.log_processor, …])
    """
    if _is_repeating():
        from structlog import DropEvent

        raise DropEvent
    for name, value in (_bound() or {}).items():
        event.setdefault(name, value)
    return event


class HandlerLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger for handlers and steps: each line names its invocation, and a replay does not repeat it.

    A line begins with the target and the id of the invocation. Its record has the attributes ``invocation_id``, ``service``,
    ``key``, ``handler``, ``step`` and ``attempt``, for handlers and formatters of :mod:`logging`; see :class:`LogFilter`. The logger's name is
    ``actors.model.handlers``. Messages through ``print``, and through other loggers without a :class:`LogFilter`, are repeated
    whenever the handler is replayed: after a wait out of memory, a retry, a restart of the process.

    A line may appear twice if a turn really runs twice: a failed handler is retried from the last completion that it received,
    and a process that dies may lose the record of its last turn. Nothing is logged while a handler is taken out of memory, or in
    a check. Outside handlers and steps it is a plain logger.

    ::

        actors.logger.info("waiting for %s to approve", manager)
        approved = await actors.signal("approval", bool)
        actors.logger.info("approved: %s", approved)
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - as logging spells it
        return not _is_repeating() and self.logger.isEnabledFor(level)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if not self.isEnabledFor(level):
            return
        bound = _bound()
        if bound is not None:
            where = _where(bound)
            # A percent sign in a name must not be taken for a placeholder.
            msg = f"{where.replace('%', '%%') if args else where}: {msg}"
            kwargs["extra"] = {**bound, **(kwargs.get("extra") or {})}
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        self.logger.log(level, msg, *args, **kwargs)


def _is_repeating() -> bool:
    branch = current_branch.get()
    return branch is not None and branch.execution.is_repeating


def _bound() -> dict[str, Any] | None:
    """Return the invocation of the running handler or step, for the attributes of a log record."""
    branch, step = current_branch.get(), current_step.get()
    if branch is not None:
        handler = context_of(branch)
        return _bound_to(handler, None, handler.attempt)
    return None if step is None else _bound_to(step.handler, step.name, step.number)


def _bound_to(handler: HandlerContext, step: str | None, attempt: int) -> dict[str, Any]:
    return {
        "invocation_id": handler.invocation_id,
        "service": handler.service,
        "key": handler.key,
        "handler": handler.name,
        "step": step,
        "attempt": attempt,
    }


def _where(bound: dict[str, Any]) -> str:
    target = "/".join(name for name in (bound["service"], bound["key"], bound["handler"]) if name is not None)
    step = "" if bound["step"] is None else f" step {bound['step']!r}"
    return f"{target} {bound['invocation_id']}{step}"


logger = HandlerLogger(logging.getLogger("actors.model.handlers"))
