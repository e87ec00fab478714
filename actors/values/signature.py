"""A function's parameters and result as JSON."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import msgspec

from actors.errors import DefinitionError, DefinitionReason, RefusedError, TerminalError
from actors.values.annotations import hints_in
from actors.values.codec import codec_for
from actors.values.document import parse, write_exact
from actors.values.generics import NO_TYPES, concrete
from actors.values.owntype import loses_the_same, problem_of_lost
from actors.values.problem import ValueProblem, name_of, reason_of, show
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class MissingParameters(ValueProblem):
    """A parameter without a default has no value."""


class UnknownParameter(ValueProblem):
    """A value names a parameter that the function does not have."""


class Signature:
    """The JSON form of a function's parameters and result: a bare value for one parameter, an object for several,
    nothing for none.

    Callers may use other forms (:meth:`read`), so that adding a parameter with a default does not break them: an object
    that names the only parameter, or a bare value that is not an object for the only required parameter of several, or
    for the first if none is required.

    The same JSON means different things to a function with one parameter and to one with two, so stored or forwarded
    JSON carries the name of the parameter whose value it is, or an empty name if it is an object of parameters. Other
    code then decodes it as it was meant. Alternative refused: to write every argument as an object; histories would
    then show another argument than the caller wrote.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        skip_first: bool,
        name: str,
        types: Mapping[Any, Any] = NO_TYPES,
        validator: Callable[..., object] | None = None,
    ) -> None:
        import inspect

        self.name = name
        hints = hints_in(function, f"{name}: its annotations")
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        known = {each: concrete(hint, types, f"{each} of {name}") for each, hint in hints.items()}
        self.parameters = {
            p.name: codec_for(known.get(p.name, Any), f"{name}: parameter {p.name!r}", f"{name}.{p.name}")
            for p in parameters
        }
        self.is_builtin = all(codec.is_builtin for codec in self.parameters.values())
        """Whether reading arguments runs no user code."""
        self.returns = codec_for(type_of_result(known), f"{name}: its result", name)
        self._names = [p.name for p in parameters]
        self.validator = validator
        """The user's validator: a function with the same parameters, which raises an error to refuse the arguments."""
        if validator is not None:
            check_validator(validator, self._names, name)
        self.parameter = self._names[0] if len(self._names) == 1 else ""
        """The parameter whose value :meth:`encode` writes; empty if it writes an object of parameters."""
        self._required = {p.name for p in parameters if p.default is p.empty}
        self._defaults = {p.name: self._default(p.name, p.default) for p in parameters if p.default is not p.empty}
        self._positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.only = self.parameters[self.parameter] if self._positional == [self.parameter] == self._names else None
        """The codec of the only parameter, if that may be passed by position: most handlers have one."""

    @property
    def required(self) -> tuple[str, ...]:
        """The parameters without a default."""
        return tuple(name for name in self._names if name in self._required)

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Return a call's arguments as JSON. Raises ``TypeError`` as the call would, or :class:`ValueProblem`."""
        if self.only is not None and len(args) == 1 and not kwargs:
            return self.only.encode(args[0])
        names = self._names
        given = self._bind(args, kwargs)
        if not names:
            return b""
        if len(names) == 1:
            return self._encode_named(names[0], given[names[0]]) if given else b""
        return write_exact({name: msgspec.Raw(self._encode_named(name, value)) for name, value in given.items()})

    def decode(self, data: bytes, parameter: str | None) -> dict[str, Any]:
        """Return the arguments by name. ``data`` is the value of ``parameter``, or an object of parameters if
        ``parameter`` is empty; None means that ``data`` is as a caller wrote it. Raises :class:`ValueProblem`."""
        if parameter is None:
            return self._read(data, None)[0]
        if parameter and data:
            return self._decode_value(parameter, data)
        return self._decode_object(data)

    def read(self, data: bytes, parameter: str | None = None) -> tuple[dict[str, Any], str]:
        """Read a caller's JSON. Returns the arguments by name, and the name of the parameter whose value the JSON is;
        empty for an object of parameters.

        ``parameter`` is that name if the caller gives it. Raises :class:`ValueProblem`, and what :meth:`validate` raises.
        """
        arguments, parameter = self._read(data, parameter)
        if self.validator is not None:
            self.validate(arguments)
        return arguments, parameter

    def validate(self, arguments: Mapping[str, Any]) -> None:
        """Run the validator, if there is one, with these arguments and the defaults of the others. Raises the ``RefusedError`` or
        ``TerminalError`` that it raises, and :class:`ValueProblem` for any other exception."""
        if self.validator is None:
            return
        defaults = {
            name: self.parameters[name].decode(data) for name, data in self._defaults.items() if name not in arguments
        }
        try:
            self.validator(**arguments, **defaults)
        except (RefusedError, TerminalError):
            raise
        except Exception as error:
            raise ValueProblem(reason_of(error), "$") from error

    def _read(self, data: bytes, parameter: str | None) -> tuple[dict[str, Any], str]:
        if parameter is not None:
            return self.decode(data, parameter), parameter
        if not self._names:
            return self._read_none(data), ""
        if self.parameter:
            return self._read_one(self.parameter, data)
        return self._read_several(data)

    def check_restored(self, given: dict[str, Any], lost: str) -> None:
        """Check that the arguments have the types that they were sent with, if their parameters leave the types open.
        ``lost`` describes the types that the JSON lost. Raises :class:`ValueProblem`."""
        if not lost or all(self.parameters[name].is_closed for name in given):
            return
        only = next(iter(given.values())) if len(given) == 1 else given
        if not loses_the_same(given, lost) and not loses_the_same(only, lost):
            raise problem_of_lost(lost)

    def arguments(self, data: bytes, parameter: str | None) -> dict[str, Any]:
        """Return the arguments by name, with a fresh copy of the default for each missing one, so that no call changes
        the arguments of another. Raises :class:`ValueProblem`."""
        if parameter and parameter == self.parameter and data:
            codec = self.parameters[parameter]
            try:
                return {parameter: codec.read(data)}  # as decode() does for most calls
            except ValueError:
                return {parameter: codec.decode(data)}
        given = self.decode(data, parameter)
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
                f"{self.name}: {_under(name, error.path)}: the default does not fit its type: {error.problem}",
                reason=DefinitionReason.DEFAULT,
                name=f"{self.name}.{name}",
            ) from error

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._positional):
            raise TypeError(
                f"{self.name}() was given {len(args)} positional arguments, expected at most {len(self._positional)}"
            )
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

    def _decode_value(self, parameter: str, data: bytes) -> dict[str, Any]:
        if parameter not in self.parameters:
            parameter = self._renamed(parameter)
        if parameter == self.parameter:
            return {parameter: self.parameters[parameter].decode(data)}
        missing = self._required - {parameter}
        if missing:
            raise self._missing(missing)
        return {parameter: self._decode_named(parameter, data)}

    def _renamed(self, parameter: str) -> str:
        """Return the only required parameter, for JSON that names an unknown parameter, because the parameter may have
        been renamed. Raises :class:`UnknownParameter`."""
        if len(self._required) != 1:
            raise self._unknown(parameter)
        return next(iter(self._required))

    def _decode_object(self, data: bytes) -> dict[str, Any]:
        plain = parse(data) if data else None
        if plain is None:
            plain, data = {}, b"{}"
        if not isinstance(plain, dict):
            raise ValueProblem(f"expected an object with {', '.join(self._names)}, found {show(plain)}", "$")
        unknown = plain.keys() - self.parameters.keys()
        if unknown:
            raise self._unknown(min(unknown))
        missing = self._required - plain.keys()
        if missing:
            raise self._missing(missing)
        raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return {name: self._decode_named(name, bytes(value)) for name, value in raw.items()}

    def _unknown(self, name: str) -> UnknownParameter:
        return UnknownParameter(
            f"{self.name} has no parameter {name!r}; it has {', '.join(self._names) or 'none'}", "$"
        )

    def _missing(self, names: set[str]) -> MissingParameters:
        return MissingParameters(f"{self.name} needs {', '.join(sorted(names))}", "$")

    def _read_none(self, data: bytes) -> dict[str, Any]:
        if data and parse(data) is not None:
            raise ValueProblem(f"{self.name} takes no argument, found {show(parse(data))}", "$")
        return {}

    def _read_one(self, name: str, data: bytes) -> tuple[dict[str, Any], str]:
        if not data and name not in self._required:
            return {}, name
        if not data:
            raise ValueProblem(f"{self.name} needs {name} ({name_of(self.parameters[name].kind)}), found nothing", "$")
        try:
            return {name: self.parameters[name].decode(data)}, name
        except ValueProblem:
            # An object for the only parameter is read as for several parameters: adding one must not break callers.
            plain = parse(data)
            if not isinstance(plain, dict) or plain.keys() != {name}:
                raise
            return self._decode_object(data), ""

    def _read_several(self, data: bytes) -> tuple[dict[str, Any], str]:
        plain = parse(data) if data else {}
        if not isinstance(plain, dict) and len(self._required) <= 1:
            first = next(iter(self._required), self._names[0])  # one value can only be for the required one
            return {first: self._decode_named(first, data)}, first
        try:
            return self._decode_object(data), ""
        except UnknownParameter as error:
            raise UnknownParameter(f"{error.problem}. Send an object that has the parameters by name", "$") from error

    def _decode_named(self, name: str, data: bytes) -> Any:
        try:
            return self.parameters[name].decode(data)
        except ValueProblem as error:
            raise ValueProblem(error.problem, _under(name, error.path)) from error


def check_validator(validator: Any, names: list[str], name: str, *, of_object: bool = False) -> None:
    """Raise :class:`DefinitionError` unless the function takes the parameters of the handler and runs without an event loop. With
    ``of_object``, it takes the object first."""
    import inspect

    try:
        found = [*inspect.signature(validator).parameters]
    except (TypeError, ValueError):
        raise DefinitionError(
            f"{name}: validate is {shown(validator)}, expected a function", reason=DefinitionReason.FUNCTION, name=name
        ) from None
    if inspect.iscoroutinefunction(validator):
        raise DefinitionError(
            f"{name}: its validator is an async function, but nothing may be awaited there; use 'def'",
            reason=DefinitionReason.FUNCTION,
            name=name,
        )
    if of_object and found:
        names = [found[0], *names]
    if found != names:
        raise DefinitionError(
            f"{name}: its validator has the parameters ({', '.join(found)}), expected those of the handler: ({', '.join(names)})",
            reason=DefinitionReason.PARAMETERS,
            name=name,
        )


def type_of_result(hints: dict[str, Any]) -> Any:
    """Return the type that a function with these annotations returns; None for a function that never returns."""
    kind = hints.get("return", Any)
    return None if kind in (typing.NoReturn, typing.Never) else kind


def _under(name: str, path: str) -> str:
    return f"$.{name}{path[1:]}"
