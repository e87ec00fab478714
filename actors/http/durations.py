"""Durations as people and other clients write them."""

from __future__ import annotations

import re

from actors.errors import InvalidArgumentError
from actors.values.texts import shown

_SECONDS = r"[0-9]{1,9}(\.[0-9]{1,6})?"
_CLOCK = f"([0-9]{{1,5}}H([0-9]{{1,6}}M)?({_SECONDS}S)?|[0-9]{{1,6}}M({_SECONDS}S)?|{_SECONDS}S)"

DURATION = (
    rf"^({_SECONDS}(ms|s)?|[0-9]{{1,6}}(\.[0-9]{{1,6}})?m|[0-9]{{1,5}}(\.[0-9]{{1,6}})?h|[0-9]{{1,4}}(\.[0-9]{{1,6}})?d"
    rf"|P[0-9]{{1,4}}D|P([0-9]{{1,4}}D)?T{_CLOCK})$"
)
"""The pattern of a duration: ``10s``, ``500ms``, ``2h``, ``PT10S`` and similar; decades at most."""

DURATION_ABOVE_ZERO = rf"^(?=.*[1-9]){DURATION.removeprefix('^')}"
"""The pattern of a duration that is not zero."""

_WHOLE = re.compile(DURATION)
_OF_ANY_LENGTH = re.compile(re.sub(r"\{1,[4-9]\}", "+", DURATION.replace(r"(\.[0-9]{1,6})", r"(\.[0-9]+)")))
"""The same with numbers of any length, to distinguish a duration that is too long from an invalid one."""

_LIMIT = "9999d, 99999h, 999999m or 999999999s, with at most 6 digits after the point"
_PARTS = re.compile(r"([0-9.]+)(ms|[smhdSMHD]?)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str, *, bare: str, name: str = "delay") -> float:
    """Parse a duration and return seconds. ``bare`` is the unit of a number without one. Raises
    :class:`actors.InvalidArgumentError` with the name of the parameter.
    """
    if not _WHOLE.fullmatch(text):
        if _OF_ANY_LENGTH.fullmatch(text):
            raise InvalidArgumentError(f"{name} is {shown(text)}, which is too long; the limit is {_LIMIT}", path=name)
        raise InvalidArgumentError(
            f"{name} is {shown(text)}, which is not a duration; write 10s, 500ms, 2m, 1h, 3d or PT10S", path=name
        )
    return sum(float(number) * _UNITS[unit.lower() or bare] for number, unit in _PARTS.findall(text))
