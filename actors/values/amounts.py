"""Amounts of quantities such as tokens or euros: exact decimals by the name of the quantity.

Amounts are stored as texts without exponents or trailing zeros, so equal amounts are equal texts, and sums have no rounding errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, TypeAlias

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.values.arguments import is_a
from actors.values.texts import shown

Amount: TypeAlias = int | Decimal | str
"""An amount as users give it: an integer, a ``Decimal``, or its text, such as ``"0.04"``."""

Amounts: TypeAlias = dict[str, str]
"""Amounts by the name of the quantity, in their stored form."""

MAX_QUANTITIES = 16
"""The largest number of quantities that are given together, and that an invocation spends in all."""

MAX_QUANTITY_NAME = 64
"""The longest name of a quantity, in characters."""

_WHOLE_DIGITS = 18
_DECIMALS = 9
AMOUNT_PAIR = (
    rf"^[A-Za-z_][A-Za-z0-9_]{{0,{MAX_QUANTITY_NAME - 1}}}=[0-9]{{1,{_WHOLE_DIGITS}}}(\.[0-9]{{1,{_DECIMALS}}})?$"
)
"""The texts ``name=amount`` that :func:`amounts_of_pairs` reads, as a regular expression for JSON schemas."""

_EXACT = Context(prec=100, Emin=-999, Emax=999, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_EXPECTED = (
    f"an int, a Decimal or its text, such as '0.04', not below 0, of at most {_WHOLE_DIGITS} digits before the point and "
    f"{_DECIMALS} after it"
)


def checked_amounts(amounts: Any, path: str) -> Amounts:
    """Return the amounts by the name of their quantity, in their stored form. Raises :class:`InvalidArgumentError`, and
    :class:`LimitExceededError` if there are too many. ``path`` names the parameter."""
    if not issubclass(type(amounts), Mapping):
        raise InvalidArgumentError(
            f"{path} is {shown(amounts)}, expected amounts by the name of their quantity", path=path
        )
    found = {_checked_name(name, path): checked_amount(value, f"{path}.{name}") for name, value in amounts.items()}
    check_quantities(found, path)
    return found


def checked_budget(value: Any, path: str = "budget") -> Amounts | None:
    """Return the amounts of a budget, as :func:`checked_amounts`; None if there is none. A budget names a quantity."""
    if value is None:
        return None
    amounts = checked_amounts(value, path)
    if not amounts:
        raise InvalidArgumentError(f"{path} names no quantity; expected one or more, such as tokens", path=path)
    return amounts


def checked_more(value: Any, path: str = "budget") -> Amounts | None:
    """Return the amounts that are added to a budget, as :func:`checked_budget`. Each is above 0."""
    more = checked_budget(value, path)
    for name, amount in (more or {}).items():
        if amount == "0":
            raise InvalidArgumentError(f"{path}.{name} is 0, expected an amount above 0, which is added", path=path)
    return more


def amounts_of_pairs(pairs: Iterable[str], path: str) -> Amounts:
    """Return the amounts that are written as ``tokens=100000``, one for each quantity. Raises :class:`InvalidArgumentError`."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, amount = pair.partition("=")
        if not equals:
            raise InvalidArgumentError(
                f"{path} is {shown(pair)}, expected a quantity and an amount, such as tokens=100000", path=path
            )
        if name in found:
            raise InvalidArgumentError(f"{path} names {shown(name)} twice; give one amount", path=path)
        found[name] = amount
    return checked_amounts(found, path)


def pairs_of_amounts(amounts: Mapping[str, str]) -> list[str]:
    """Return amounts as they are written, such as ``tokens=100000``."""
    return [f"{name}={amount}" for name, amount in amounts.items()]


def check_quantities(amounts: Mapping[str, str], path: str) -> None:
    """Raise :class:`LimitExceededError` if there are too many quantities."""
    if len(amounts) > MAX_QUANTITIES:
        raise LimitExceededError(
            f"{len(amounts)} quantities in {path}; the limit is {MAX_QUANTITIES}",
            limit="quantities",
            maximum=MAX_QUANTITIES,
            found=len(amounts),
            code=ErrorCode.TOO_MANY,
        )


def checked_amount(value: object, path: str) -> str:
    """Return one amount in its stored form. Raises :class:`InvalidArgumentError`; a float is refused, because sums of floats have rounding
    errors."""
    if is_a(value, int) and type(value) is not bool:
        number = Decimal(int.__int__(value))
    elif is_a(value, Decimal):
        number = Decimal(value)
    elif is_a(value, str) and _is_written(text := str.__str__(value)):
        number = Decimal(text)
    else:
        raise InvalidArgumentError(f"{path} is {shown(value)}, expected {_EXPECTED}", path=path)
    if not number.is_finite() or number < 0 or number.adjusted() >= _WHOLE_DIGITS:
        raise InvalidArgumentError(f"{path} is {shown(value)}, expected {_EXPECTED}", path=path)
    number = number.normalize(_EXACT) if number else Decimal(0)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _DECIMALS:
        raise InvalidArgumentError(f"{path} is {shown(value)}, expected {_EXPECTED}", path=path)
    return format(number, "f")


def _is_written(text: str) -> bool:
    whole, point, rest = text.partition(".")
    return all(
        part.isascii() and part.isdigit() and len(part) <= 2 * _WHOLE_DIGITS
        for part in ((whole, rest) if point else (whole,))
    )


def _checked_name(name: object, path: str) -> str:
    text = str.__str__(name) if is_a(name, str) else ""
    if not (text.isascii() and text.isidentifier() and len(text) <= MAX_QUANTITY_NAME):
        raise InvalidArgumentError(
            f"{path} has a quantity named {shown(name)}; expected an identifier of at most {MAX_QUANTITY_NAME} "
            "characters, such as tokens",
            path=path,
        )
    return text


def added(one: Mapping[str, str], other: Mapping[str, str]) -> Amounts:
    """Return the sums, quantity by quantity."""
    sums = dict(one)
    for name, amount in other.items():
        sums[name] = _sum(sums[name], amount) if name in sums else amount
    return sums


def _sum(one: str, other: str) -> str:
    total = _EXACT.add(Decimal(one), Decimal(other))
    return format(total.normalize(_EXACT), "f") if total else "0"


def is_used_up(spent: str, budget: str) -> bool:
    """Report whether the budget is used up."""
    return Decimal(spent) >= Decimal(budget)


def grouped(amount: str) -> str:
    """Return an amount for people, such as ``120,000``."""
    return format(Decimal(amount), ",f")
