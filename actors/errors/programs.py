"""Mistakes in a program, and code that no longer fits what is recorded."""

from __future__ import annotations

from actors.errors.base import ActorError, TerminalError
from actors.errors.codes import DefinitionReason
from journal.error_codes import ErrorCode


class DefinitionError(TerminalError, TypeError):
    """A class, a handler, a field or a step is defined in a way that cannot work. ``name`` says which one, such as ``Counter.value``, the
    name of a step, or the path of a file; ``reason`` is the rule that it breaks.

    ::

        class Counter(actors.Actor):
            value: int  # DefinitionError: name Counter.value, reason default: it has none
    """

    code = ErrorCode.INVALID_DEFINITION
    reason: DefinitionReason = DefinitionReason.KIND
    name: str = ""

    def __init__(self, message: str = "", *, reason: DefinitionReason, name: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.name = name


class MisuseError(TerminalError, RuntimeError):
    """A program, a handler or a step uses the package in a way that cannot work; trying again would not help.

    ``code``: ``outside_handler`` (a durable verb where no handler runs), ``inside_step`` (a durable verb in a step),
    ``non_durable_await`` (a handler awaits something that is not durable: put it into a step), ``never_awaited`` (a handler drops the
    coroutine of a step or another function without awaiting it), ``wrong_loop`` (a function for trio
    in an asyncio task, or the reverse; the message names the other one), or that of a subclass.

    ::

        await httpx.get(url)  # in a handler: MisuseError, code non_durable_await
        await actors.run(httpx.get, url)  # a step
    """

    code: ErrorCode = ErrorCode.OUTSIDE_HANDLER

    def __init__(self, message: str = "", *, code: ErrorCode = ErrorCode.OUTSIDE_HANDLER) -> None:
        super().__init__(message)
        self.code = code


class FieldMisuseError(MisuseError, AttributeError):
    """A field is used where or how it cannot be: through a reference, outside of its object's handlers, changed in a shared handler,
    deleted, replaced as a whole (a log or a map), or not declared by the class.

    ::

        self.colour = "red"  # FieldMisuseError: declare it in the class
    """

    code: ErrorCode = ErrorCode.FIELD_MISUSE

    def __init__(self, message: str = "") -> None:
        super().__init__(message, code=ErrorCode.FIELD_MISUSE)


class NonDeterminismError(ActorError):
    """A replay differs from the history. The invocation is paused; the message shows the difference.

    ::

        if actors.patched("ship before charging"):  # old invocations keep the old order
            await ship()
    """

    code = ErrorCode.NONDETERMINISM


class NoLongerFitsError(ActorError):
    """A stored value no longer fits the type that the code now gives it. The invocation is paused; nothing is lost.

    A class method ``__upgrade_stored__`` reads what an earlier form of an attrs or data class has stored: it is called with a copy of the
    stored attributes if they do not fit, and returns those that do. ::

        @attrs.define
        class Item:
            name: str
            price: int = 0  # an attribute that is added needs a default

            @classmethod
            def __upgrade_stored__(cls, stored: dict[str, Any]) -> dict[str, Any]:
                stored.pop("colour", None)  # was removed
                if "title" in stored:
                    stored["name"] = stored.pop("title")  # was renamed
                return stored
    """

    code = ErrorCode.NO_LONGER_FITS
    path: str = "$"

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path
