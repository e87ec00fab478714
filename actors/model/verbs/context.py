"""Values that are the same in every replay, and queries about the running handler."""

from __future__ import annotations

import random as random_module
import uuid

from actors.model.contexts import context_of
from actors.model.verbs.branches import branch_for, running_branch_for
from actors.replay.branches import current_branch
from actors.values.arguments import MAX_NAME, checked_name, checked_text
from journal.ids import InvocationId

MAX_STATUS_TEXT = 500
"""The longest status text, in characters."""


def current_invocation() -> InvocationId:
    """Return the id of the invocation that runs this handler; in an update, that of the run.

    ::

        await actors.actor(Account, "alice").book(actors.current_invocation(), -30)
    """
    return branch_for("current_invocation").execution.invocation_id


def random() -> random_module.Random:
    """Random numbers that every replay repeats; each branch of a handler has its own.

    ::

        winner = actors.random().choice(names)
    """
    return _random_for("random")


def uuid4() -> uuid.UUID:
    """Return a random UUID that every replay repeats.

    ::

        order_id = actors.uuid4()
    """
    return uuid.UUID(int=_random_for("uuid4").getrandbits(128), version=4)


def _random_for(verb: str) -> random_module.Random:
    branch = running_branch_for(verb)
    if branch.random is None:
        context = context_of(branch)
        branch.random = random_module.Random(f"{context.seed or context.life} {branch.path}")  # noqa: S311 - must repeat
    return branch.random


def suspending() -> bool:
    """Report whether the handler is leaving memory, so that its code runs only because Python leaves its blocks.

    A handler leaves memory when it waits for long, when it is paused or retried, and when the process stops; when it continues,
    it is replayed into the same blocks. Python cannot drop a coroutine without leaving its blocks, so each time ``finally``, the
    ends of ``with`` and ``except BaseException`` run at the current await. That is right for resources of the process (a file, a
    lock), and wrong for code that may run only when the work has ended. Durable verbs do not work there, and nothing is recorded. False
    anywhere else.

    ::

        try:
            await actors.signal("done")
        finally:
            if not actors.suspending():
                metrics.count("finished")
    """
    branch = current_branch.get()
    return branch is not None and branch.execution.closed


def set_status_text(text: str) -> None:
    """Describe the current work of the handler for people: lists, ``describe``, SQL (``sys_invocation.status_text``) and the console show it.

    It is recorded at the end of the turn, with the handler's next wait, so several in a row leave the last one. A text has at most
    500 characters. A replay does not compare it, so a changed text needs no :func:`patched`. It remains after the end. Raises
    :class:`InvalidArgumentError`, :class:`LimitExceededError`, and :class:`MisuseError` outside of a handler.

    ::

        for number, page in enumerate(pages):
            actors.set_status_text(f"page {number} of {len(pages)}")
            await convert(page)
    """
    branch = running_branch_for("set_status_text")
    branch.execution.status_text = checked_text(text, "text", MAX_STATUS_TEXT)


def patched(name: str) -> bool:
    """Report whether to run new code: True in new invocations, False in a replay that passed this point before the code
    was there.

    ::

        if actors.patched("fraud check"):
            await check_fraud(order)
    """
    return running_branch_for("patched").execution.is_patched(checked_name(name, "name", MAX_NAME))
