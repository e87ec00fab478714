"""A logger that never raises.

Handlers and filters of :mod:`logging` belong to the operator of the process. The standard handlers swallow their own errors, but
others need not: a handler that sends records to a server, and raises while that is down, would end the code that logs. Here that
code is a partition processor, the thread of the watchdog, or the thread of a store.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of this name. An exception of a handler or a filter is printed to stderr and not raised."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), None)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # so that the caller's frame is logged and not this one
        try:
            super().log(level, msg, *args, **kwargs)
        except Exception:
            if logging.raiseExceptions and sys.stderr is not None:
                traceback.print_exc(file=sys.stderr)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, kwargs
