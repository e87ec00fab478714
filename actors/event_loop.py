"""Determines which event loop runs the caller, for errors that name what to use instead."""

from __future__ import annotations

import sniffio

from actors.errors import ErrorCode, MisuseError

TRIO = "trio"


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


def require_own_client() -> None:
    """Raise :class:`actors.errors.MisuseError` with the code ``wrong_loop`` unless a trio task runs the caller, which uses a
    client of trio programs."""
    require_trio("a client of actors.open_runtime() or actors.connect()", "one of actors.aio", "one of actors.sync")


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
