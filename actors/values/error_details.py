"""Stores the attributes of a user's error as JSON, and rebuilds the error from them.

The error is rebuilt without calling its class: neither ``__new__`` nor ``__init__`` runs, since they may need unknown arguments.
The attributes are set directly, past a ``__setattr__`` that forbids it, as frozen classes have.

An attribute is kept if it comes back equal and of the same type: types of JSON, common types of the standard library
(:mod:`actors.values.tagged_json`), and any type that its annotation names, in the class or in the parameters of its ``__init__``. If one attribute
cannot be kept, the error cannot be rebuilt; an error is never rebuilt with some of its attributes. ``details`` are kept by the same rule,
and also as plain JSON for readers without the class. An error whose details would come back changed is not recorded:
:class:`UnserializableError` takes its place.

Alternatives refused: pickle, which runs the code that it reads; and the name of a class in the record, because a record must not
choose which class is made.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
import typing
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors import errors
from actors.errors import ActorError, ErrorCode, TerminalError
from actors.errors.names import bases_of, instance_dict_of, is_built_in, plain_text, type_name
from actors.values import ValueProblem
from actors.values.document import encode_plain
from actors.values.frozen_errors import permit_raising
from actors.values.tagged_json import TAG, read_argument, read_value, write_argument, write_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from journal.events import Failure

DETAILS_BYTES = 65_536
"""The most bytes of an error's details, as JSON, that are kept."""

CARRIED_BYTES = 65_536
"""The most bytes of an error's attributes, as JSON, from which it can be rebuilt."""

CANNOT_BE_MADE = b"null"
"""Marks an error that cannot be rebuilt. An empty entry means that the error has only its text."""

_SHOWN = 500
"""The length to which the reason for refused details is cut, in characters."""

_TEXT_ALONE: dict[str, Any] = {"args": [{TAG: "text"}], "attributes": {}}

# Python's own data about a class and an error, read without running their code.
_class_dict_of: Callable[[type], Mapping[str, Any]] = vars(type)["__dict__"].__get__
_base_of: Callable[[type], type] = vars(type)["__base__"].__get__
_flags_of: Callable[[type], int] = vars(type)["__flags__"].__get__
_args_of: Callable[[BaseException], tuple[Any, ...]] = vars(BaseException)["args"].__get__
_set_args: Callable[[BaseException, tuple[Any, ...]], None] = vars(BaseException)["args"].__set__
_HEAP_TYPE = 1 << 9
"""The flag of a class that is not implemented in C (``Py_TPFLAGS_HEAPTYPE``)."""


@attrs.frozen
class Details:
    """The stored form of an error's ``details``.

    ``data`` is their JSON. ``typed`` has the types that plain JSON does not; empty if there are none. ``problem`` is the reason
    why an error with these details cannot be kept, with a remedy; then nothing else is set.
    """

    data: bytes = b""
    typed: bytes = b""
    problem: str = ""


def details_of(error: BaseException) -> Details:
    """Return the details of an error. Never raises.

    Details of an error that is not terminal are informative: if they would come back changed, or exceed
    :data:`DETAILS_BYTES`, they are left out.
    """
    try:
        value = getattr(error, "details", None)
    except BaseException:  # the attributes of an error are user code and may raise anything
        return Details()
    if value is None:
        return Details()
    try:
        typed = encode_plain(write_value(value, _hints_of(type(error)).get("details")))
    except BaseException as problem:  # as above
        return _refused_details(
            error, f"{_in_words(problem)}. Use plain JSON details, or annotate 'details' in its class"
        )
    data = _json_or_nothing(value)
    size = max(len(typed), len(data))
    if size > DETAILS_BYTES:
        return _refused_details(
            error, f"they have {size} bytes of JSON, the limit is {DETAILS_BYTES}. Keep less in them"
        )
    return Details(data, b"" if typed == data else typed)


def _refused_details(error: BaseException, problem: str) -> Details:
    return Details(problem=problem) if issubclass(type(error), TerminalError) else Details()


def _in_words(problem: BaseException) -> str:
    if isinstance(problem, ValueProblem):
        return f"{problem.path}: {problem.problem}"
    return plain_text(str(problem), _SHOWN) or type_name(type(problem))


def _json_or_nothing(details: Any) -> bytes:
    """Return the details as plain JSON, or empty bytes if JSON cannot represent them."""
    try:
        return encode_plain(details)
    except Exception:  # tuples as keys, or an object that the user's class describes
        return b""


def carried_by(error: BaseException, details: Details) -> bytes:
    """Return the attributes of the error except ``details``, as JSON; empty if there are none. Never raises."""
    is_terminal = issubclass(type(error), TerminalError)
    carried = _itself(error) if is_terminal else {}
    if details.typed:
        carried["details"] = msgspec.Raw(details.typed)
    if carried:
        return msgspec.json.encode(carried)
    return CANNOT_BE_MADE if is_terminal else b""


def _itself(error: BaseException) -> dict[str, Any]:
    """Return the data from which the error can be rebuilt; empty if it cannot."""
    kind = type(error)
    if is_built_in(kind) and _stands_for_another(error):
        return {}  # the other one could not be rebuilt, or is of a class that is unknown here
    try:
        hints = _hints_of(kind)
        attributes = dict(_attributes_of(error))
        encoded = encode_plain({name: write_value(value, hints.get(name)) for name, value in attributes.items()})
        args = encode_plain([write_argument(value, attributes) for value in _args_of(error)])
    except BaseException:  # as above
        return {}
    if len(encoded) + len(args) > CARRIED_BYTES:
        return {}
    return {"args": msgspec.Raw(args), "attributes": msgspec.Raw(encoded)}


def recorded_code(failure: Failure) -> ErrorCode | None:
    """The code of an error of :mod:`actors.errors`; None for any other. Runs no code of its class."""
    module, _, name = failure.type.rpartition(".")
    kind = getattr(errors, name, None) if module == errors.__name__ else None
    if not isinstance(kind, type) or not issubclass(kind, ActorError):
        return None
    carried = msgspec.json.decode(failure.carried) if failure.carried else None
    own = (carried or {}).get("attributes", {}).get("code")
    with contextlib.suppress(ValueError, ValueProblem):  # it has no code of its own, or one of a later version
        return ErrorCode(read_value(own, ErrorCode))
    return kind.code


def made_again(kind: type[TerminalError], failure: Failure) -> TerminalError | None:
    """Rebuild the error of this class from the failure. Return None if the error cannot be rebuilt, raised or shown.
    Never raises."""
    carried = msgspec.json.decode(failure.carried) if failure.carried else _TEXT_ALONE
    if carried is None or "attributes" not in carried:
        return None
    try:
        permit_raising(kind)
        error: TerminalError = _builtin_of(kind).__new__(kind)
        hints = _hints_of(kind)
        attributes = {name: read_value(value, hints.get(name)) for name, value in carried["attributes"].items()}
        _set_args(error, tuple(read_argument(value, attributes, failure) for value in carried["args"]))
        put_details(error, failure)
        for name, value in attributes.items():
            _put(error, name, value)
        error.__traceback__ = None  # as context managers do; the class may have a ``__setattr__`` that refuses it
        str(error)
    except BaseException:  # as above
        return None
    return error


def made_with_text(kind: type[TerminalError], failure: Failure, text: str) -> TerminalError:
    """Return an error of one of this package's own classes, which are complete without their attributes."""
    error = kind.__new__(kind)
    _set_args(error, (text,))
    put_details(error, failure)
    return error


def put_details(error: TerminalError, failure: Failure) -> None:
    """Set the attributes that a failure has fields for."""
    instance_dict_of(error).update(details=_details_in(failure, type(error)), type=failure.type)


def _details_in(failure: Failure, kind: type) -> Any:
    carried = msgspec.json.decode(failure.carried) if failure.carried else None
    if carried is not None and "details" in carried:
        with contextlib.suppress(
            Exception
        ):  # a reader without the class, or with another version of it, has only the JSON
            return read_value(carried["details"], _hints_of(kind).get("details"))
    return msgspec.json.decode(failure.details) if failure.details else None


def _stands_for_another(error: BaseException) -> bool:
    named = instance_dict_of(error).get("type", "")  # a user can assign anything to it
    return issubclass(type(named), str) and str.__str__(named) not in ("", type_name(type(error)))


def _attributes_of(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the instance's attributes, first those in slots, then those in its dictionary."""
    for name, slot in _slots_of(type(error)):
        try:
            value = slot.__get__(error)
        except AttributeError:
            continue  # it was never set
        if value is not None or _is_made_in_python(
            slot.__objclass__
        ):  # an attribute that C code never set reads as None
            yield name, value
    for name, value in instance_dict_of(error).items():
        is_pythons_own = name.startswith("__") and name.endswith("__") and name != "__notes__"
        if not is_pythons_own and not _is_recorded_beside(error, name, value):
            yield name, value


def _is_recorded_beside(error: BaseException, name: str, value: Any) -> bool:
    """Report whether a failure has a field for the attribute, or the reader adds it. ``type`` may be an attribute of
    the user's own."""
    if name == "type":
        return type(value) is str and value == type_name(type(error))
    return name in ("details", "invocation_id")


def _slots_of(kind: type) -> Iterator[tuple[str, types.MemberDescriptorType]]:
    """Yield the names and descriptors of the attributes that the class and its bases keep outside an instance's
    dictionary."""
    for base in bases_of(kind):
        if base is not BaseException:
            for name, member in _class_dict_of(base).items():
                if isinstance(member, types.MemberDescriptorType):
                    yield name, member


def _put(error: BaseException, name: str, value: Any) -> None:
    slot = next((slot for slot_name, slot in _slots_of(type(error)) if slot_name == name), None)
    if slot is None:
        instance_dict_of(error)[name] = value
    else:
        slot.__set__(error, value)


def _is_made_in_python(kind: type) -> bool:
    return bool(_flags_of(kind) & _HEAP_TYPE)


def _builtin_of(kind: type) -> Any:
    """Return the nearest base class of ``kind`` that is implemented in C, which determines the memory layout of
    instances."""
    while _is_made_in_python(kind):
        kind = _base_of(kind)
    return kind


def _hints_of(kind: type) -> dict[str, Any]:
    """Return the types of the attributes by name, from the annotations of the class, or of the parameters of its
    ``__init__`` with the same names."""
    hints: dict[str, Any] = {}
    for base in reversed(bases_of(kind)):
        own = _class_dict_of(base)
        for annotated in (own.get("__init__"), base):
            if annotated is base or isinstance(annotated, types.FunctionType):
                hints.update(_annotations_of(annotated, own))
    return hints


def _annotations_of(annotated: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved annotations by name, without those that cannot be resolved. ``own`` are the names in the body
    of the class, such as a nested class."""
    found: dict[str, Any] = {}
    names = getattr(sys.modules.get(annotated.__module__), "__dict__", {})
    for name, annotation in inspect.get_annotations(annotated).items():
        with contextlib.suppress(
            Exception
        ):  # a name exists only for the type checker, so the value is kept without its type
            found |= typing.get_type_hints(types.SimpleNamespace(__annotations__={name: annotation}), names, dict(own))
    return found
