"""Finds the types of steps' results in the annotations of their functions."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from actors.errors import DefinitionError
from actors.values.annotations import hint_in
from actors.values.codec import Codec, codec_for
from actors.values.signature import type_of_result


def result_codec(function: Callable[..., Any], name: str) -> Codec[Any]:
    """Return the codec of a function's result. Raises :class:`DefinitionError` for an unsupported type or a name that
    cannot be resolved, so that the function is not called. Without an annotation, the result must be plain JSON."""
    return codec_for(_type_of(_underneath(function), name), f"the result of step {name!r}", name)


def check_result(function: Callable[..., Any], name: str) -> None:
    """Raise :class:`DefinitionError` where the function is defined, unless its annotation names something that is
    defined later."""
    try:
        _type_of(_underneath(function), name)
    except DefinitionError:
        return  # it is resolved again when the step is called
    result_codec(function, name)


@functools.lru_cache(maxsize=1024)
def _type_of(function: Callable[..., Any], name: str) -> Any:
    if isinstance(function, type):
        return function
    annotations = getattr(function, "__annotations__", {})
    if "return" not in annotations:
        return Any
    # The parameters are not recorded, so their types may be known only to the type checker.
    names = getattr(function, "__globals__", {})
    kind = type_of_result({"return": hint_in(annotations["return"], names, f"the result type of step {name!r}")})
    is_awaited = typing.get_origin(kind) in (Awaitable, Coroutine) and not inspect.iscoroutinefunction(function)
    return typing.get_args(kind)[-1] if is_awaited else kind


def _underneath(function: Any) -> Any:
    """Return the function inside partials, methods and decorators."""
    if type(function) is types.FunctionType and "__wrapped__" not in function.__dict__:
        return function
    while not isinstance(function, (types.FunctionType, type)):
        for name in ("func", "__wrapped__", "__func__"):
            inner = getattr(function, name, None)
            if callable(inner):
                function = inner
                break
        else:
            call = inspect.getattr_static(type(function), "__call__", None)
            return call if isinstance(call, types.FunctionType) else function
    return inspect.unwrap(function)
