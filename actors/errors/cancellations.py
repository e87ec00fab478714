"""Exceptions that end a block or an attempt.

They do not derive from ``Exception``, so that ``except Exception`` does not swallow them.
"""

from __future__ import annotations


class CancelledError(BaseException):
    """This invocation has been cancelled. Delivered once, at the current await.

    Later awaits work, so compensate, then raise it again::

        try:
            await book()
        except actors.CancelledError:
            await unbook()
            raise

    ``errors`` are terminal errors that occurred in a nursery while the cancel passed through it; they are kept in the outcome.
    ``expired`` says that the ``max_duration`` of the invocation is over.
    """

    errors: tuple[BaseException, ...] = ()

    def __init__(self, reason: str = "", *, expired: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.expired = expired


class Cancelled(BaseException):
    """A scope around this await has been cancelled; every await in it raises this until the block is left. Always raise it again."""


class AttemptEnded(BaseException):
    """The attempt is over and its coroutine is being closed; durable verbs do not work any more. A handler that continues never
    sees it."""


class Interruption(BaseException):
    """Raised by the engine in code that blocks the event loop. Not an ``Exception``, so that few handlers catch it."""
