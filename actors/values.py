"""Users' values: arguments, results, fields. Python on one side, JSON on the other, and nothing that does not fit between.

cattrs does the work, from the annotations, with hooks that refuse what it would otherwise bend (``"5"`` is no int, ``True`` is
no int, ``5.0`` is one: JSON does not tell them apart). Whatever a handler is given has been through JSON once, in the first run
as in every replay, so that both see the same.
"""

from __future__ import annotations

import collections.abc
import functools
import math
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from actors.core.errors import ActorError, DefinitionError, NoLongerFitsError
from actors.core.texts import shown
from actors.generics import NO_TYPES, concrete

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from cattrs.preconf.msgspec import MsgspecJsonConverter

T = TypeVar("T")

MAX_DEPTH = 64
"""Lists and objects within one another in a value."""

_BRACKETS = frozenset(b"[]{}")
_EXACT: dict[object, type] = {int: int, str: str, bool: bool, None: types.NoneType, types.NoneType: types.NoneType}

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode
_DECODE_EXACT: dict[type, Callable[[bytes], Any]] = {
    kind: msgspec.json.Decoder(kind).decode for kind in (int, str, bool, types.NoneType)
}


class ValueProblem(ActorError):
    """A value and a type do not go together. ``path`` says where, ``problem`` says why; whoever asked says whose fault it is."""

    def __init__(self, problem: str, path: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem
        self.path = path


class Codec(Generic[T]):
    """Between one type and JSON. Get it from :func:`codec_for`."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self._exact = _EXACT.get(kind)
        self._decode_exact = None if self._exact is None else _DECODE_EXACT[self._exact]
        converter = _converter()
        try:
            self._structure: Callable[[Any, Any], T] = converter.get_structure_hook(kind)
            self._unstructure: Callable[[Any], Any] = converter.get_unstructure_hook(kind)
        except Exception as error:
            raise DefinitionError(
                f"values of type {_name(kind)} cannot be kept as JSON: {_reason(error)}. "
                "Annotate with attrs or data classes, enums, datetimes, UUIDs, bytes and containers of these, "
                "or register hooks on actors.converter()"
            ) from error

    def encode(self, value: T) -> bytes:
        """The value as JSON. Raises :class:`ValueProblem`."""
        if type(value) is self._exact:
            return _encode_exact(value)
        return self.settle(value)[0]

    def settle(self, value: T) -> tuple[bytes, T]:
        """The value as JSON, and as it comes back from there. Raises :class:`ValueProblem`."""
        if type(value) is self._exact:
            return _encode_exact(value), value
        try:
            plain = self._unstructure(value)
        except Exception as error:
            raise ValueProblem(f"expected {_name(self.kind)}, found {_show(value)}", "$") from error
        _check_plain(plain)
        try:
            data = _encode_json(plain)
        except Exception as error:
            path, found = _find_unserializable(plain, "$")
            raise ValueProblem(f"{_show(found)} cannot be kept as JSON", path) from error
        return data, self.decode(data)

    def decode(self, data: bytes) -> T:
        """The value that the JSON stands for. Raises :class:`ValueProblem`."""
        if self._decode_exact is not None:
            try:
                exact: T = self._decode_exact(data)
            except ValueError:
                pass  # it may fit all the same, as 5.0 does; and if not, what follows says why
            else:
                return exact
        plain = parse(data)
        try:
            return self._structure(plain, self.kind)
        except Exception as error:
            problem, path = _problem_and_path(error)
            raise ValueProblem(problem, path) from error


def decode_kept(codec: Codec[T], data: bytes, name: object) -> T:
    """A stored value. ``name``: what it is, asked for its text only if the type was changed since: then it raises
    :class:`NoLongerFitsError`."""
    try:
        return codec.decode(data)
    except ValueProblem as error:
        path = f"{name}{error.path[1:]}"
        raise NoLongerFitsError(
            f"{path} was stored by other code and no longer fits its type: {error.problem}. "
            "Give the type a default or a hook that reads the old form, then resume",
            path=path,
        ) from error


def says_the_same(codec: Codec[T], value: T, data: bytes) -> bool:
    """Whether a value that was read from ``data`` is as it was; other code may have written that in other words."""
    try:
        now = codec.encode(value)
    except ValueProblem:
        return False
    return now == data or now == codec.encode(codec.decode(data))


def parse(data: bytes) -> Any:
    """JSON from outside. Raises :class:`ValueProblem` for what is none, or nested too deeply."""
    if not data:
        raise ValueProblem("expected JSON, found nothing", "$")
    if _may_be_deep(data) and _depth(data) > MAX_DEPTH:
        raise ValueProblem(f"nested more than {MAX_DEPTH} deep", "$")
    try:
        return _decode_json(data)
    except (ValueError, RecursionError) as error:
        raise ValueProblem(f"not JSON: {error}", "$") from error


@functools.lru_cache(maxsize=4096)
def _cached_codec(kind: Hashable) -> Codec[Any]:
    return Codec(kind)


def codec_for(kind: Any) -> Codec[Any]:
    """The codec of a type, made once. Raises :class:`DefinitionError` for a type that JSON cannot carry."""
    try:
        hash(kind)
    except TypeError:
        return Codec(kind)
    return _cached_codec(kind)


@functools.cache
def schema_of(kind: Hashable) -> bytes:
    """The JSON schema of a type, for people and forms; empty where there is none."""
    try:
        return _encode_json(msgspec.json.schema(kind))
    except Exception:
        return b""


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
        try:
            hints = typing.get_type_hints(function)
            parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        except (NameError, TypeError) as error:
            raise DefinitionError(
                f"{name}: its annotations cannot be read ({error}); import the types for real, not under TYPE_CHECKING"
            ) from error
        known = {each: concrete(hint, types, f"{each} of {name}") for each, hint in hints.items()}
        self.parameters = {p.name: codec_for(known.get(p.name, Any)) for p in parameters}
        self.returns = codec_for(known.get("return", Any))
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
        return _encode_json({name: msgspec.Raw(self._encode_named(name, value)) for name, value in given.items()})

    def decode(self, data: bytes) -> dict[str, Any]:
        """The arguments by name. Raises :class:`ValueProblem`."""
        if not self._names:
            return self._decode_none(data)
        if len(self._names) == 1:
            return self._decode_one(self._names[0], data)
        return self._decode_several(data)

    def arguments(self, data: bytes) -> dict[str, Any]:
        """The arguments by name, with the defaults of those that are left out: each time others, so that no call changes what
        another one is given. Raises :class:`ValueProblem`."""
        given = self.decode(data)
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
            raise ValueProblem(f"{self.name} takes no argument, found {_show(parse(data))}", "$")
        return {}

    def _decode_one(self, name: str, data: bytes) -> dict[str, Any]:
        if not data and name not in self._required:
            return {}
        if not data:
            raise ValueProblem(f"{self.name} needs {name} ({_name(self.parameters[name].kind)}), found nothing", "$")
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
            raise ValueProblem(f"expected an object with {', '.join(self._names)}, found {_show(plain)}", "$")
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


@functools.cache
def _converter() -> MsgspecJsonConverter:
    import datetime
    import decimal
    import uuid

    from cattrs.preconf.msgspec import make_converter

    converter = make_converter(forbid_extra_keys=True)
    converter.register_structure_hook(int, _strict_int)
    converter.register_structure_hook(float, _strict_float)
    converter.register_structure_hook(bool, _strict_bool)
    converter.register_structure_hook(str, _strict_str)
    converter.register_structure_hook(types.NoneType, _strict_none)
    converter.register_structure_hook_func(lambda kind: kind is Any or kind is object, _structure_any)
    for kind in (uuid.UUID, decimal.Decimal, datetime.timedelta, datetime.time):
        converter.register_structure_hook(kind, msgspec.convert)
        converter.register_unstructure_hook(kind, _to_builtin)
    converter.register_unstructure_hook_factory(_is_set, functools.partial(_sorted_set, converter))
    _structure_containers_strictly(converter)
    _structure_attrs_strictly(converter)
    return converter


def converter() -> MsgspecJsonConverter:
    """The cattrs converter behind every value. Register hooks for types of your own before they are first used.

    ::

        actors.converter().register_structure_hook(Money, lambda value, _: Money.parse(value))
        actors.converter().register_unstructure_hook(Money, str)
    """
    return _converter()


def _structure_attrs_strictly(converter: MsgspecJsonConverter) -> None:
    """A value that is no object where a class is expected says so, instead of failing somewhere inside."""
    import attrs

    def is_class(kind: Any) -> bool:
        import dataclasses

        origin = typing.get_origin(kind) or kind
        return isinstance(origin, type) and (attrs.has(origin) or dataclasses.is_dataclass(origin))

    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        structure = converter.gen_structure_attrs_fromdict(kind)

        def from_object(value: Any, _: Any) -> Any:
            if not isinstance(value, dict):
                raise TypeError(f"expected {_name(kind)} as an object, found {_show(value)}")
            return structure(value, kind)

        return from_object

    converter.register_structure_hook_factory(is_class, factory)


_ARRAYS = (
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Set,
    collections.abc.MutableSet,
)
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def _structure_containers_strictly(converter: MsgspecJsonConverter) -> None:
    """An array is a list, and nothing else that can be walked over: a text is no list of its letters."""
    from cattrs.cols import mapping_structure_factory

    passed_over: list[Any] = []

    def is_container(kind: Any) -> bool:
        if passed_over and passed_over[-1] is kind:
            passed_over.pop()
            return False
        return (typing.get_origin(kind) or kind) in (*_ARRAYS, *_OBJECTS)

    def around(kind: Any) -> Callable[[Any, Any], Any]:
        """The hook that this factory goes around."""
        depth = len(passed_over)
        passed_over.append(kind)
        try:
            return converter.get_structure_hook(kind, cache_result=False)
        finally:
            del passed_over[depth:]

    def factory(kind: Any) -> Callable[[Any, Any], Any]:
        is_array = (typing.get_origin(kind) or kind) in _ARRAYS
        expected = list if is_array else dict
        # The converter's own way to mappings also notes its hook for the type, past all factories; so it is not taken.
        of_mapping: Any = mapping_structure_factory
        structure = around(kind) if is_array else of_mapping(kind, converter, structure_to=dict)

        def from_container(value: Any, _: Any) -> Any:
            if type(value) is not expected:
                raise TypeError(f"expected {_name(kind)}, found {_show(value)}")
            return structure(value, kind)

        return from_container

    converter.register_structure_hook_factory(is_container, factory)


def _is_set(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in (set, frozenset, collections.abc.Set, collections.abc.MutableSet)


def _sorted_set(converter: MsgspecJsonConverter, kind: Any) -> Callable[[Any], Any]:
    """A set's order differs from process to process, and a replay in another one must see the same bytes."""
    (item,) = typing.get_args(kind) or (Any,)
    unstructure = converter.get_unstructure_hook(item)
    return lambda value: sorted(map(unstructure, value), key=_encode_json)


def _strict_int(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError(f"expected int, found {_show(value)}")


def _strict_float(value: Any, _: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    raise TypeError(f"expected float, found {_show(value)}")


def _strict_bool(value: Any, _: Any) -> bool:
    if type(value) is bool:
        return value
    raise TypeError(f"expected bool, found {_show(value)}")


def _strict_str(value: Any, _: Any) -> str:
    if type(value) is str:
        return value
    raise TypeError(f"expected str, found {_show(value)}")


def _strict_none(value: Any, _: Any) -> None:
    if value is not None:
        raise TypeError(f"expected null, found {_show(value)}")


def _structure_any(value: Any, _: Any) -> Any:
    return value


def _to_builtin(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _encode_exact(value: Any) -> bytes:
    try:
        return _encode_json(value)
    except ValueError as error:  # half of a surrogate pair in a text, or an int beyond the digits that Python writes
        raise ValueProblem(f"{_show(value)} cannot be kept as JSON: {error}", "$") from error


def _check_plain(value: Any) -> None:
    """Refuse what JSON has no word for and the encoder would bend: NaN, infinities, keys that are no text."""
    stack: list[tuple[Any, str, int]] = [(value, "$", 0)]
    while stack:
        at, path, depth = stack.pop()
        if isinstance(at, float) and not math.isfinite(at):
            raise ValueProblem(f"{at!r} has no JSON", path)
        if isinstance(at, (set, frozenset)):
            raise ValueProblem("a set has no order in JSON; annotate it as set[…], or use a list", path)
        if isinstance(at, dict):
            stack += [(item, f"{path}[{shown(key)}]", depth + 1) for key, item in at.items()]
        elif isinstance(at, (list, tuple)):
            stack += [(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(at)]
        if depth > MAX_DEPTH:
            raise ValueProblem(f"nested more than {MAX_DEPTH} deep", path)


def _find_unserializable(value: Any, path: str) -> tuple[str, Any]:
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(f"{path}[{shown(key)}]", item) for key, item in value.items()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    for item_path, item in items:
        try:
            _encode_json(item)
        except Exception:
            return _find_unserializable(item, item_path)
    return path, value


def _may_be_deep(data: bytes) -> bool:
    return data.count(b"[") + data.count(b"{") > MAX_DEPTH


def _depth(data: bytes) -> int:
    deepest = depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in _BRACKETS:
            depth += 1 if byte in b"[{" else -1
            deepest = max(deepest, depth)
    return deepest


def _problem_and_path(error: Exception) -> tuple[str, str]:
    """What cattrs found first, in words, and where."""
    path = "$"
    at: BaseException = error
    while isinstance(at, BaseExceptionGroup):
        inner = at.exceptions[0]
        for note in getattr(inner, "__notes__", ()):
            name = getattr(note, "name", None)
            index = getattr(note, "index", None)
            if name is not None:
                path += f".{name}"
            elif index is not None:
                path += f"[{index!r}]"
        at = inner
    return _reason(at), path


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error) or type(error).__name__


def _under(name: str, path: str) -> str:
    return f"$.{name}{path[1:]}"


def _name(kind: Any) -> str:
    return (
        kind.__qualname__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind).replace("typing.", "")
    )


def _show(value: Any) -> str:
    return f"{shown(value)} ({type(value).__name__})"
