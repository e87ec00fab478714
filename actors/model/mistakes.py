"""Recognises errors that show a mistake in the program, so that every retry must raise them again.

The list is short, because an error that is wrongly taken for a mistake fails an invocation that a retry might have saved. It
contains names and attributes that do not exist, modules that cannot be imported, functions that are not written yet, and calls
that do not fit the function's parameters. It does not contain errors that depend on values, which a step may get from elsewhere:
a ``TypeError`` of an operation, an ``UnboundLocalError``, an ``AttributeError`` of a value, a ``SyntaxError`` of a text. A
subclass of a listed class is the user's own and may mean anything.
"""

from __future__ import annotations

import re
import types
from typing import TYPE_CHECKING, Any

from actors.model.classes import ObjectBase
from actors.model.references import Reference
from actors.values.error_groups import leaves_of
from actors.values.failures import frames_of, text_of

if TYPE_CHECKING:
    from actors.values.retries import RetryPolicy

_ALWAYS = (NameError, ImportError, ModuleNotFoundError, NotImplementedError)

_DOES_NOT_FIT = re.compile(
    r"\(\) (missing \d+ required (positional|keyword-only) argument|takes (from )?\d+ .*positional arguments? but \d+"
    r"|takes no (keyword )?arguments|takes (exactly|at most|at least) \w+ (positional |keyword )?arguments? \(\d+ given\)"
    r"|got an unexpected keyword argument|got multiple values for (keyword )?argument"
    r"|got some positional-only arguments passed as keyword)"
    r"|expected (at most |at least )?\d+ arguments?, got \d+"
)
"""Python's messages for a call whose arguments do not fit, of a Python function and of a C function."""


def fails_fast(error: BaseException, policy: RetryPolicy, *, by_default: bool) -> bool:
    """Report whether the error fails the invocation at once: it is a mistake in the program, and the policy, or else
    the runtime's default, says to fail fast.
    """
    return (by_default if policy.fail_fast is None else policy.fail_fast) and is_mistake(error)


def is_mistake(error: BaseException) -> bool:
    """Report whether the error must be raised again at every try. For a group, whether all of its errors must. Never
    raises.
    """
    return all(_is_mistake(leaf) for leaf in leaves_of(error))


def _is_mistake(error: Any) -> bool:
    kind = type(error)
    if kind is TypeError:
        return _is_raised_by_us(error) or _DOES_NOT_FIT.search(text_of(error)) is not None
    if kind is AttributeError:
        return issubclass(type(error.obj), (types.ModuleType, type, Reference, ObjectBase))
    return kind in _ALWAYS


def _is_raised_by_us(error: BaseException) -> bool:
    """Report whether the call itself was refused, before any line of the called function ran."""
    frames = frames_of(error)
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("actors.")
