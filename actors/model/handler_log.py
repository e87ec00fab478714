"""What handlers and steps say in the log.

A handler runs again in every replay, up to where it stands, so what it says through ``logging`` or ``print`` is said as often.
``actors.logger`` says it once: a turn that a replay repeats is silent.
"""

from __future__ import annotations

import logging
from typing import Any

from actors.model.contexts import HandlerContext, context_of, current_step
from actors.replay.branches import current_branch


class HandlerLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger for handlers and steps: each line names its invocation, and is not repeated by a replay.

    A line begins with the target and the id of the invocation; its record has them as ``invocation_id``, ``service``, ``key`` and
    ``handler``, and in a step its name as ``step``, for handlers and formatters of :mod:`logging`. It belongs to the logger
    ``actors.model.handlers``. What ``print`` and other loggers say in a handler is said again whenever the handler is replayed: after a
    wait out of memory, a retry, a restart of the process.

    A line may come twice where a turn really runs twice: a handler that failed is tried again from the last thing that it was given,
    and a process that dies may take with it the note of what was done last. Nothing is said while a handler is taken out of memory,
    and in a check. Outside of handlers and steps it is a plain logger.

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
    """What a line is bound to: the handler that runs, or the one that asked for the step that runs."""
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
