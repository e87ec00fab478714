"""The logger for handlers and steps.

A handler runs again in every replay, so a message through ``logging`` or ``print`` is repeated each time. ``actors.logger`` logs
it once: it is silent in a turn that a replay repeats.
"""

from __future__ import annotations

import logging
from typing import Any

from actors.model.contexts import HandlerContext, context_of, current_step
from actors.replay.branches import current_branch


class HandlerLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger for handlers and steps: each line names its invocation, and a replay does not repeat it.

    A line begins with the target and the id of the invocation. Its record has the attributes ``invocation_id``, ``service``,
    ``key`` and ``handler``, and in a step also ``step``, for handlers and formatters of :mod:`logging`. The logger's name is
    ``actors.model.handlers``. Messages through ``print`` and other loggers are repeated whenever the handler is replayed: after a
    wait out of memory, a retry, a restart of the process.

    A line may appear twice if a turn really runs twice: a failed handler is retried from the last completion that it received,
    and a process that dies may lose the record of its last turn. Nothing is logged while a handler is taken out of memory, or in
    a check. Outside handlers and steps it is a plain logger.

    ::

        actors.logger.info("waiting for %s to approve", manager)
        approved = await actors.signal("approval", bool)
        actors.logger.info("approved: %s", approved)
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - as logging spells it
        branch = current_branch.get()
        return (branch is None or not branch.execution.is_repeating) and self.logger.isEnabledFor(level)

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


def _bound() -> dict[str, Any] | None:
    """Return the invocation of the running handler or step, for the attributes of a log record."""
    branch, step = current_branch.get(), current_step.get()
    if branch is not None:
        return _bound_to(context_of(branch), None)
    return None if step is None else _bound_to(step.handler, step.name)


def _bound_to(handler: HandlerContext, step: str | None) -> dict[str, Any]:
    return {
        "invocation_id": handler.invocation_id,
        "service": handler.service,
        "key": handler.key,
        "handler": handler.name,
        "step": step,
    }


def _where(bound: dict[str, Any]) -> str:
    target = "/".join(name for name in (bound["service"], bound["key"], bound["handler"]) if name is not None)
    step = "" if bound["step"] is None else f" step {bound['step']!r}"
    return f"{target} {bound['invocation_id']}{step}"


logger = HandlerLogger(logging.getLogger("actors.model.handlers"))
