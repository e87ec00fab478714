"""Records the arguments of steps, for people to read and for replays to compare.

A step accepts everything that Python can copy, so some arguments are not values: a client of a service, a function.
Those are *opaque*: recorded by their ``repr``, which may differ between processes, and not compared. All others are
compared in a replay. Values are encoded in a canonical order, independent of the order of their sets and dictionaries.
Types that msgspec does not know are written as the journal would store them, if it could; numbers that are not finite,
which JSON lacks, as Python prints them.
"""

from __future__ import annotations

import functools
import inspect
import math
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import DefinitionError, DefinitionReason, InvalidArgumentError
from actors.values import codec_for
from actors.values.document import parse_shallow
from actors.values.owntype import encode_by_own_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.model.step_options import Redactor

_NULL = b"null"
_EXACT = frozenset({int, str, bool, type(None)})
_CONTAINERS = (dict, list, tuple, set, frozenset)
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def encoded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, tuple[str, ...]]:
    """Encode the arguments as JSON, by position or by position and name, and return them with the names of the opaque
    ones. Never raises.
    """
    if not args and not kwargs:
        return b"", ()
    shown: Any = {**{str(i): a for i, a in enumerate(args)}, **kwargs} if kwargs else args
    try:
        data = _encode_in_order(shown)
    except Exception:  # keys that are not texts, objects that are not values, or errors of users' methods
        return _encoded_one_by_one(shown)
    if _NULL in data and not _is_finite(shown):
        return _encoded_one_by_one(shown)
    return data, ()


def _is_finite(value: Any) -> bool:
    """Report whether the value certainly contains no infinite or NaN number, which JSON would write as null."""
    kind = type(value)
    if kind is dict:
        return all(map(_is_finite, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_finite, value))
    return kind in _EXACT or (kind is float and math.isfinite(value))


def _encoded_one_by_one(shown: Any) -> tuple[bytes, tuple[str, ...]]:
    places = list(shown) if isinstance(shown, dict) else list(map(str, range(len(shown))))
    values = shown.values() if isinstance(shown, dict) else shown
    opaque: list[str] = []
    parts: list[msgspec.Raw] = []
    for place, value in zip(places, values, strict=True):
        data = _value(value)
        if data is None:
            opaque.append(place)
            data = _by_repr(value)
        parts.append(msgspec.Raw(data))
    together = dict(zip(places, parts, strict=True)) if isinstance(shown, dict) else parts
    return _encode_in_order(together), tuple(opaque)


def _value(value: Any) -> bytes | None:
    """Encode a value as JSON. Returns None if it is not a value."""
    for plain_of in (_plain, _kept) if isinstance(value, _CONTAINERS) else (_plain,):
        try:
            return _encode_in_order(_spelled_out(plain_of(value)))
        except Exception:  # noqa: S112 - as above: the next way, or none
            continue
    return None


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=_unknown)


def _kept(value: Any) -> Any:
    return parse_shallow(encode_by_own_type(value))


def _unknown(value: Any) -> Any:
    """Convert a type that msgspec does not know into one that it knows."""
    kind: type = type(value)
    if hasattr(kind, "__pydantic_root_model__"):  # its own JSON would have sets in the order of this process
        return value.model_dump(by_alias=True, round_trip=True, warnings=False)
    if not _can_be_kept(kind):
        raise NotImplementedError
    return _kept(value)


@functools.lru_cache(maxsize=1024)
def _can_be_kept(kind: type) -> bool:
    try:
        codec_for(kind)
    except DefinitionError:
        return False
    return True


def _spelled_out(plain: Any) -> Any:
    """Replace infinite and NaN numbers by texts."""
    kind = type(plain)
    if kind is float:
        return plain if math.isfinite(plain) else repr(plain)
    if kind is list or kind is tuple:
        return [_spelled_out(item) for item in plain]
    if kind is dict:
        return {key: _spelled_out(item) for key, item in plain.items()}
    return plain


_encode_in_order = msgspec.json.Encoder(order="deterministic", enc_hook=_unknown).encode


def _by_repr(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, enc_hook=repr)
    except Exception as problem:  # its methods are user code and may raise anything
        return msgspec.json.encode(f"({type(value).__name__} that cannot be shown: {type(problem).__name__})")


REDACTED = "[redacted]"
"""The text that is recorded in place of a redacted argument."""


def redacted(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with :data:`REDACTED` in place of those with these names.

    A decorator may take ``*args`` and add an argument of its own, so the positions of the function's parameters are unknown. In that case
    all positional arguments are redacted.
    """
    own = inspect.signature(function, follow_wrapped=False).parameters  # check_parameters has shown that there is one
    by_position = [name for name, parameter in own.items() if parameter.kind in _BY_POSITION]
    hides_rest = not own.keys() >= {*names}
    shown = tuple(
        REDACTED if (by_position[place] in names if place < len(by_position) else hides_rest) else value
        for place, value in enumerate(args)
    )
    return shown, {name: REDACTED if name in names else value for name, value in kwargs.items()}


def rewritten(argument: bytes, names: tuple[str, ...], redactors: tuple[Redactor, ...], step: str) -> bytes:
    """Return JSON arguments in which each value is replaced by the result of its function.

    ``names`` are the parameters that can be given by position; an argument without one has its place. Raises what the functions raise,
    and :class:`InvalidArgumentError` if a result is not JSON data.
    """
    if not argument:
        return argument
    plain: list[Any] | dict[str, Any] = msgspec.json.decode(argument)
    places = plain.items() if isinstance(plain, dict) else ((str(place), value) for place, value in enumerate(plain))
    found: dict[str, Any] = {}
    for place, value in places:
        name = names[int(place)] if place.isdecimal() and int(place) < len(names) else place
        for redactor in redactors:
            value = redactor(name, value)
        found[place] = value
    try:
        return _encode_in_order(_spelled_out(found if isinstance(plain, dict) else [*found.values()]))
    except Exception as problem:
        raise InvalidArgumentError(
            f"the result of the function redact of step {step!r} is not JSON data: {problem}. Return texts, numbers, lists and dicts",
            path="redact",
        ) from problem


def check_parameters(function: Any, names: tuple[str, ...], step: str) -> None:
    """Check the names of redacted parameters: a wrong one would let a secret be recorded. Raises :class:`DefinitionError`."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            f"step {step!r} redacts {', '.join(names)}, but the parameters of its function are unknown",
            reason=DefinitionReason.OPTION,
            name=step,
        ) from error
    known = [name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.VAR_POSITIONAL]
    for name in names:
        if name not in known or parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            raise DefinitionError(
                f"step {step!r} redacts {name!r}, which is not a parameter of it; it has {', '.join(known) or 'none'}",
                reason=DefinitionReason.OPTION,
                name=step,
            )


def parameter_names(function: Any) -> tuple[str, ...]:
    """Return the names of the parameters that can be given by position, as far as they are known."""
    try:
        return _names_of(function)
    except (TypeError, ValueError):  # it cannot be hashed, or has no signature
        return ()


@functools.lru_cache(maxsize=1024)
def _names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name, p in inspect.signature(function).parameters.items() if p.kind in _BY_POSITION)
