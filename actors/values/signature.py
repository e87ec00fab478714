"""A function's parameters and result as JSON."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.errors import DefinitionError
from actors.generics import NO_TYPES, concrete
from actors.values.annotations import hints_in
from actors.values.codec import codec_for
from actors.values.document import parse, write_exact
from actors.values.owntype import loses_the_same, problem_of_lost
from actors.values.problem import ValueProblem, name_of, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Signature:
    """A function's parameters and result as JSON: one value for one parameter, an object for several, nothing for none.

    Taken as well, so that a parameter with a default can be added without breaking who calls: an object that names the only
    parameter, and one value (no object) for the only required one of several, or for the first if none is required.
    """

    def __init__(
        self, function: Callable[..., Any], *, skip_first: bool, name: str, types: Mapping[Any, Any] = NO_TYPES
    ) -> None:
        import inspect

        self.name = name
        hints = hints_in(function, f"{name}: its annotations")
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        known = {each: concrete(hint, types, f"{each} of {name}") for each, hint in hints.items()}
        self.parameters = {
            p.name: codec_for(known.get(p.name, Any), f"{name}: parameter {p.name!r}") for p in parameters
        }
        self.is_builtin = all(codec.is_builtin for codec in self.parameters.values())
        """Whether no code of a user's runs when arguments are read."""
        self.returns = codec_for(type_of_result(known), f"{name}: its result")
        self._names = [p.name for p in parameters]
        self._required = {p.name for p in parameters if p.default is p.empty}
        self._defaults = {p.name: self._default(p.name, p.default) for p in parameters if p.default is not p.empty}
        self._keyword_only = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        self._positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        return tuple(name for name in self._names if name in self._required)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """A call's arguments as JSON. Raises ``TypeError`` as the call would, or :class:`ValueProblem`."""
        names = self._names
        if len(names) == 1 and len(args) == 1 and not kwargs and names[0] not in self._keyword_only:
            return self.parameters[names[0]].encode(args[0])
        given = self._bind(args, kwargs)
        if not names:
            return b""
        if len(names) == 1:
            return self._encode_named(names[0], given[names[0]]) if given else b""
        return write_exact({name: msgspec.Raw(self._encode_named(name, value)) for name, value in given.items()})

    def decode(self, data: bytes) -> dict[str, Any]:
        """The arguments by name. Raises :class:`ValueProblem`."""
        if not self._names:
            return self._decode_none(data)
        if len(self._names) == 1:
            return self._decode_one(self._names[0], data)
        return self._decode_several(data)

    def check_restored(self, data: bytes, lost: str) -> None:
        """Check that the arguments fit, and that they have the types that they were sent with where a parameter leaves them open.
        ``lost``: what the JSON lost of them. Raises :class:`ValueProblem`."""
        given = self.decode(data)
        if not lost or all(self.parameters[name].is_closed for name in given):
            return
        only = next(iter(given.values())) if len(given) == 1 else given
        if not loses_the_same(given, lost) and not loses_the_same(only, lost):
            raise problem_of_lost(lost)

    def arguments(self, data: bytes) -> dict[str, Any]:
        """The arguments by name, with the defaults of those that are left out: each time others, so that no call changes what
        another one is given. Raises :class:`ValueProblem`."""
        given = self.decode(data)
        if len(given) == len(self._names):
            return given
        for name, default in self._defaults.items():
            if name not in given:
                given[name] = self.parameters[name].decode(default)
        return given

    def _default(self, name: str, default: Any) -> bytes:
        try:
            return self.parameters[name].encode(default)
        except ValueProblem as error:
            raise DefinitionError(
                f"{self.name}: {_under(name, error.path)}: the default does not fit its type: {error.problem}"
            ) from error

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._positional):
            raise TypeError(f"{self.name}() takes {len(self._positional)} arguments, {len(args)} were given")
        given = dict(zip(self._positional, args, strict=False))
        for name, value in kwargs.items():
            if name not in self.parameters:
                raise TypeError(f"{self.name}() has no parameter {name!r}; it has {', '.join(self._names) or 'none'}")
            if name in given:
                raise TypeError(f"{self.name}() was given {name!r} twice")
            given[name] = value
        missing = self._required - given.keys()
        if missing:
            raise TypeError(f"{self.name}() needs {', '.join(sorted(missing))}")
        return given

    def _encode_named(self, name: str, value: Any) -> bytes:
        try:
            return self.parameters[name].encode(value)
        except ValueProblem as error:
            raise ValueProblem(error.problem, _under(name, error.path)) from error

    def _decode_none(self, data: bytes) -> dict[str, Any]:
        if data and parse(data) is not None:
            raise ValueProblem(f"{self.name} takes no argument, found {show(parse(data))}", "$")
        return {}

    def _decode_one(self, name: str, data: bytes) -> dict[str, Any]:
        if not data and name not in self._required:
            return {}
        if not data:
            raise ValueProblem(f"{self.name} needs {name} ({name_of(self.parameters[name].kind)}), found nothing", "$")
        try:
            return {name: self.parameters[name].decode(data)}
        except ValueProblem:
            # Whoever names the only parameter means it, as with several: adding one must not break who calls.
            plain = parse(data)
            if not isinstance(plain, dict) or plain.keys() != {name}:
                raise
            return self._decode_several(data)

    def _decode_several(self, data: bytes) -> dict[str, Any]:
        if not data and not self._required:
            return {}
        plain = parse(data) if data else {}
        if not isinstance(plain, dict) and len(self._required) <= 1:
            first = next(iter(self._required), self._names[0])  # one value can only be the one that is needed
            return {first: self._decode_named(first, data)}
        if not isinstance(plain, dict):
            raise ValueProblem(f"expected an object with {', '.join(self._names)}, found {show(plain)}", "$")
        unknown = plain.keys() - self.parameters.keys()
        if unknown:
            raise ValueProblem(f"{self.name} has no parameter {min(unknown)!r}; it has {', '.join(self._names)}", "$")
        missing = self._required - plain.keys()
        if missing:
            raise ValueProblem(f"{self.name} needs {', '.join(sorted(missing))}", "$")
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw]) if data else {}
        return {name: self._decode_named(name, bytes(value)) for name, value in raw.items()}

    def _decode_named(self, name: str, data: bytes) -> Any:
        try:
            return self.parameters[name].decode(data)
        except ValueProblem as error:
            raise ValueProblem(error.problem, _under(name, error.path)) from error


def type_of_result(hints: dict[str, Any]) -> Any:
    """What a function with these annotations returns. One that never does has no values to keep."""
    kind = hints.get("return", Any)
    return None if kind in (typing.NoReturn, typing.Never) else kind


def _under(name: str, path: str) -> str:
    return f"$.{name}{path[1:]}"
