"""A logger that its caller survives.

Handlers and filters of :mod:`logging` belong to the operator of the process. The standard ones keep their own troubles to themselves, and
others need not: a handler that sends records to a server, and raises when that is away, would end whatever was about to say something.
Here that is an owner of objects, the thread of the watchdog, or the one of a store.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of this name. What its handlers and filters raise goes to stderr, as :mod:`logging` does with its own, and no further."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), None)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Say it, if anybody listens."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # this method is none of those that are meant
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc(file=sys.stderr)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave it as it is."""
        return msg, kwargs
