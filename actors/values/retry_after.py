"""Reads the delay until the next try that an error asks for.

A busy service answers with the header ``Retry-After`` (RFC 9110, section 10.2.3): seconds, or a date. httpx, requests, openai and anthropic
keep the response in the error that they raise, as ``error.response.headers``. An error may also have an attribute ``retry_after``.
"""

from __future__ import annotations

import math
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from actors.errors.names import bases_of, instance_dict_of
from actors.values.error_groups import leaves_of

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RETRY_AFTER = 86_400.0
"""The longest delay that an error can ask for, in seconds: a day."""

_LONGEST_HEADER = 64


def retry_after(error: BaseException, now: Callable[[], float]) -> float | None:
    """Return the delay in seconds that the error asks for, at most a day; None if it asks for none. Of the errors in a group, the longest.

    The error has an attribute ``retry_after``, in seconds or as a timedelta, or a ``response`` whose ``headers`` have ``retry-after-ms`` or
    ``Retry-After``. A value that cannot be read is ignored. ``now`` returns the wall time.
    """
    found = [delay for leaf in leaves_of(error) if (delay := _asked_by(leaf, now)) is not None]
    return max(found, default=None)


def _asked_by(error: BaseException, now: Callable[[], float]) -> float | None:
    own = instance_dict_of(error)
    stated = own.get("retry_after", _of_class(error))
    asked = _seconds_of_response(own.get("response"), now) if stated is None else _seconds(stated)
    return None if asked is None else min(max(asked, 0.0), MAX_RETRY_AFTER)


def _of_class(error: BaseException) -> Any:
    return next((vars(kind)["retry_after"] for kind in bases_of(type(error)) if "retry_after" in vars(kind)), None)


def _seconds(value: object) -> float | None:
    if type(value) is timedelta:
        return value.total_seconds()
    if (type(value) is int or type(value) is float) and abs(value) < MAX_RETRY_AFTER * 1e6:
        return float(value)
    return None


def _seconds_of_response(response: Any, now: Callable[[], float]) -> float | None:
    if response is None:
        return None
    try:
        headers = response.headers
        in_milliseconds, in_seconds = headers.get("retry-after-ms"), headers.get("retry-after")
    except Exception:  # whatever the class of the response raises
        return None
    found = _number(in_milliseconds)
    return found / 1_000 if found is not None else _seconds_of_header(in_seconds, now)


def _seconds_of_header(text: Any, now: Callable[[], float]) -> float | None:
    found = _number(text)
    if found is not None or type(text) is not str or len(text) > _LONGEST_HEADER:
        return found
    from email.utils import parsedate_to_datetime  # few servers send a date

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now()


def _number(text: Any) -> float | None:
    if type(text) is not str or len(text) > _LONGEST_HEADER:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
