"""Determines which event loop runs the caller, for errors that name what to use instead."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import sniffio
import trio
from trio._core._run_context import RunContext  # trio has no public way to see its use outside of a task

from actors.errors import ErrorCode, MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

TRIO = "trio"


class _ThisThread(threading.local):
    run: trio.lowlevel.TrioToken | None = None
    """The ``trio.run()`` of this thread that has opened a runtime most recently."""


this_thread = _ThisThread()


def own_run() -> trio.lowlevel.TrioToken:
    """Return the ``trio.run()`` of the caller, and note it as that of this thread.

    To compare ``this_thread.run`` with it costs no call. A thread runs one loop after the other, and a runtime ends with its loop.
    """
    run = this_thread.run = trio.lowlevel.current_trio_token()
    return run


def library() -> str | None:
    """Return the library whose event loop runs the caller, such as ``trio``; None if no event loop does."""
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return None


def require_trio(name: str, in_asyncio: str, in_no_loop: str) -> None:
    """Raise :class:`actors.errors.MisuseError` with the code ``wrong_loop`` unless a trio task runs the caller.

    ``name`` is the function that was used. The others replace it in an asyncio task and where no event loop runs.
    """
    found = library()
    if found == TRIO:
        return
    if found is None:
        raise MisuseError(
            f"{name} needs a trio task, and no event loop runs here; use {in_no_loop}", code=ErrorCode.WRONG_LOOP
        )
    raise MisuseError(
        f"{name} needs a trio task, and this one is of {found}; use {in_asyncio}", code=ErrorCode.WRONG_LOOP
    )


def require_own_run(run: trio.lowlevel.TrioToken | None) -> None:
    """Raise :class:`actors.errors.MisuseError` with the code ``wrong_loop`` unless a task of this ``trio.run()`` is the caller, which uses
    a client that was opened in it."""
    client = "a client of actors.open_runtime() or actors.connect()"
    require_trio(client, "one of actors.aio", "one of actors.sync")
    if trio.lowlevel.current_trio_token() is not run:
        raise MisuseError(
            f"{client} needs a task of the trio.run() that opened it, and this task is of another one; open a client here, or call "
            "trio.from_thread.run() in a thread without a loop",
            code=ErrorCode.WRONG_LOOP,
        )


def require_asyncio(name: str, in_trio: str) -> None:
    """Raise :class:`actors.errors.MisuseError` with the code ``wrong_loop`` unless an asyncio task runs the caller.

    ``name`` is the function that was used, and ``in_trio`` replaces it in a trio task.
    """
    found = library()
    if found == TRIO:
        raise MisuseError(
            f"{name} needs an asyncio task, but this is a trio task; use {in_trio}", code=ErrorCode.WRONG_LOOP
        )
    if found is None:
        raise MisuseError(
            f"{name} needs an asyncio task, and no event loop runs here; use asyncio.run()", code=ErrorCode.WRONG_LOOP
        )


def guard_trio(refused_use: Callable[[], MisuseError | None]) -> None:
    """Have ``refused_use`` called wherever a function of trio looks for its run or its task and finds none, because the engine hides them
    from a handler. The error that it returns is raised there. Functions that only look whether trio runs get their answer."""
    for name in ("runner", "task"):
        setattr(RunContext, name, _Hidden(name, refused_use))


class _Hidden:
    """An attribute of trio's context of a thread, found where no trio runs: the context's own value comes first."""

    def __init__(self, name: str, refused_use: Callable[[], MisuseError | None]) -> None:
        self._name = name
        self._refused_use = refused_use

    def __get__(self, context: object, kind: type) -> Any:
        error = None if _only_asks(sys._getframe(1)) else self._refused_use()
        if error is not None:
            raise error
        raise AttributeError(f"{kind.__name__!r} object has no attribute {self._name!r}", name=self._name, obj=context)


_QUESTIONS_TO_TRIO = frozenset({"in_trio_run", "in_trio_task", "firstiter", "finalizer", "ki_protection_enabled"})
"""The functions of trio that only look whether it runs."""


def _only_asks(frame: FrameType) -> bool:
    asker = frame.f_back
    runs_trio = asker is not None and asker.f_code.co_name == "setup_runner"
    return frame.f_code.co_name in _QUESTIONS_TO_TRIO and not runs_trio
