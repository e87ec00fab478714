"""Gives a function the parameters of another, to type checkers and to readers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def with_parameters_of(of: Callable[P, Any]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """Declare that the function passes its arguments on to ``of``."""

    def declare(function: Callable[..., R]) -> Callable[P, R]:
        signature = inspect.signature(of)
        returns = inspect.signature(function).return_annotation
        function.__signature__ = signature.replace(return_annotation=returns)  # type: ignore[attr-defined]
        return cast("Callable[P, R]", function)

    return declare
