"""Copies the arguments of steps, so that a step's changes to them are not visible in its handler.

In the first run the step could reach the handler's own objects; in a replay the step does not run, and its changes would be
missing. Code, errors and the object that a method is bound to are passed as they are, and so are the variables of a closure,
which cannot be seen from here.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import functools
import inspect
import types
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from actors.errors import DefinitionError, DefinitionReason, UnserializableError

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")

_UNCHANGEABLE = frozenset(
    {
        bool,
        bytes,
        datetime.date,
        datetime.datetime,
        datetime.timedelta,
        decimal.Decimal,
        float,
        int,
        str,
        type,
        types.BuiltinFunctionType,
        types.FunctionType,
        types.NoneType,
        uuid.UUID,
    }
)
_CONTAINERS = frozenset({bytearray, deque, dict, list, set})
_CHANGEABLE: tuple[type, ...] = tuple(_CONTAINERS)
_METHODS_IN_C = (types.BuiltinMethodType, types.MethodWrapperType)


class StepCall(msgspec.Struct, eq=False):
    """A function and its arguments. ``has_copies`` says that the arguments must be copied for each call."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    has_copies: bool = False

    def __call__(self) -> Any:
        """Call the function with copies of the arguments."""
        if not self.has_copies:
            return self.function(*self.args, **self.kwargs)
        args, kwargs = _copied(self.args, self.kwargs)
        return self.function(*args, **kwargs)


def call_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> StepCall:
    """Return the call with all of its arguments: those in a ``partial`` as well, and for a method of a container the
    container itself.
    """
    while isinstance(function, functools.partial):
        args, kwargs, function = (*function.args, *args), {**function.keywords, **kwargs}, function.func
    if isinstance(function, _METHODS_IN_C) and type(function.__self__) in _CONTAINERS:
        args, function = (function.__self__, *args), getattr(type(function.__self__), function.__name__)
    return StepCall(function, args, kwargs)


def with_copies(call: StepCall, step: str) -> StepCall:
    """Return the call with copies of its arguments as of now, whatever the handler or earlier calls do with the
    objects. Raises :class:`UnserializableError` for an argument that cannot be copied.
    """
    function = call.function
    if type(function) is not types.FunctionType or function.__defaults__ or function.__kwdefaults__:
        call = _with_defaults(call)
    if _UNCHANGEABLE.issuperset(map(type, (*call.args, *call.kwargs.values()))):
        return call
    try:
        args, kwargs = _copied(call.args, call.kwargs)
    except Exception as error:  # raised by methods of users' classes
        raise _cannot_be_copied(call, step) from error
    return StepCall(call.function, args, kwargs, has_copies=True)


def _with_defaults(call: StepCall) -> StepCall:
    """Return the call with the function's default lists and dictionaries among its arguments, so that they are copied
    too.

    Other defaults are left out: a function may test whether an argument was given (``if at is MISSING``).
    """
    function = getattr(call.function, "__func__", call.function)
    if type(function) is not types.FunctionType or not (function.__defaults__ or function.__kwdefaults__):
        return call
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if not any(isinstance(default, _CHANGEABLE) for default in defaults):
        return call
    signature = inspect.signature(call.function, follow_wrapped=False)
    try:
        given = signature.bind(*call.args, **call.kwargs).arguments
    except TypeError:
        return call  # the call itself will raise
    missing = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if name not in given
        and parameter.kind is not parameter.POSITIONAL_ONLY
        and isinstance(parameter.default, _CHANGEABLE)
    }
    return StepCall(call.function, call.args, {**call.kwargs, **missing})


def with_own_defaults(function: Callable[..., R]) -> Callable[..., R]:
    """Return the method with fresh defaults for each call, so that a call's changes to a default are not visible in
    another call.
    """
    parameters = list(inspect.signature(function).parameters.values())[1:]
    changeable = [
        (index if parameter.kind is not parameter.KEYWORD_ONLY else len(parameters), parameter)
        for index, parameter in enumerate(parameters)
        if parameter.default is not parameter.empty and type(parameter.default) not in _UNCHANGEABLE
    ]
    if not changeable:
        return function
    try:
        defaults = copy.deepcopy([(index, parameter.name, parameter.default) for index, parameter in changeable])
    except Exception as error:  # raised by methods of users' classes
        names = ", ".join(parameter.name for _, parameter in changeable)
        raise DefinitionError(
            f"{function.__qualname__}: the default of {names} cannot be copied, so all calls would share it: {error}",
            reason=DefinitionReason.DEFAULT,
            name=function.__qualname__,
        ) from error

    def call(self: Any, *args: Any, **kwargs: Any) -> R:
        missing = {name: copy.deepcopy(d) for index, name, d in defaults if index >= len(args) and name not in kwargs}
        return function(self, *args, **kwargs, **missing)

    return call


def _copied(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    as_they_are = {id(value): value for value in (*args, *kwargs.values()) if isinstance(value, BaseException)}
    return copy.deepcopy((args, kwargs), as_they_are)


def _cannot_be_copied(call: StepCall, step: str) -> UnserializableError:
    for name, value in (*enumerate(call.args), *call.kwargs.items()):
        try:
            copy.deepcopy(value)
        except Exception as error:
            return UnserializableError(
                f"step {step!r}: argument {name} ({type(value).__name__}) cannot be copied ({error}), but a step gets copies of "
                "its arguments. Pass data, and open clients, connections and the like inside the step",
                path=f"$.{name}",
            )
    return UnserializableError(f"step {step!r}: its arguments cannot be copied together; pass data", path="$")
