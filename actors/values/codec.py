"""Converts between values of one type and JSON."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from actors.errors import DefinitionError, NoLongerFitsError
from actors.values.document import (
    EXACT,
    MAX_DIGITS,
    READ_EXACT,
    check_depth,
    encode_plain,
    parse,
    parse_shallow,
    write_exact,
)
from actors.values.problem import Misfit, ValueProblem, show

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from actors.values.shape import Shape

T = TypeVar("T")


class Codec(Generic[T]):
    """Converts between values of one type and JSON. Made by :func:`codec_for`.

    An encoded value comes back equal, types included, or it is refused. Builtin types and containers of them need no check for
    that; a value whose class runs its own code when it is made is read back and compared.
    """

    def __init__(self, kind: Any) -> None:
        from actors.values.kinds import shape_of  # the whole library; a process that only makes calls does not need it
        from actors.values.scalars import ExactShape
        from actors.values.shape import is_bounded, is_closed, is_exact

        self.kind = kind
        self.shape: Shape = shape_of(kind)
        self._write, self._read = self.shape.write, self.shape.read
        exact = types.NoneType if kind is None else kind
        self._exact = exact if isinstance(self.shape, ExactShape) and exact in EXACT else None
        self.read: Callable[[bytes], T] = self.decode if self._exact is None else READ_EXACT[self._exact]
        """Decodes a value in the spelling that :meth:`encode` writes. It is :meth:`decode` in short: where it raises ``ValueError``,
        :meth:`decode` reads another spelling or says what does not fit."""
        self._is_compared = not is_exact(self.shape)
        self._is_bounded = is_bounded(self.shape)
        self.is_closed = is_closed(self.shape)

    @property
    def is_builtin(self) -> bool:
        """Whether reading a value runs no user code."""
        return self._exact is not None

    def is_plain(self, value: Any) -> bool:
        """Report whether writing this value runs no user code."""
        return type(value) is self._exact

    @functools.cached_property
    def schema(self) -> bytes:
        """The JSON schema of the type, for documentation and forms."""
        from actors.values.schema import schema_document

        return write_exact(schema_document(self.shape))

    def encode(self, value: T) -> bytes:
        """Encode the value. Raises :class:`ValueProblem` if it would not come back equal."""
        if type(value) is self._exact:
            try:
                data = write_exact(value)
            except ValueError:
                pass  # the code below finds the reason
            else:
                if len(data) <= MAX_DIGITS or self._exact is not int:
                    return data
        data = self._encode(value)
        if self._is_compared:
            _check_same(value, self.decode(data))
        return data

    def settle(self, value: T) -> tuple[bytes, T]:
        """Return the encoded value, and the value that it decodes to. Raises :class:`ValueProblem`."""
        data = self.encode(value)
        return data, self.decode(data)

    def decode(self, data: bytes) -> T:
        """Decode a value. Raises :class:`ValueProblem`."""
        if self._exact is not None:
            try:
                return self.read(data)
            except ValueError:
                pass  # it may still fit, as 5.0 does; if not, the code below finds the reason
        plain = parse_shallow(data) if self._is_bounded else parse(data)
        try:
            value: T = self._read(plain)
        except Misfit as misfit:
            raise _problem(misfit) from misfit.__cause__
        return value

    def _encode(self, value: T) -> bytes:
        try:
            data = encode_plain(self._write(value))
            if not self._is_bounded:
                check_depth(data)
        except Misfit as misfit:
            raise _problem(misfit) from misfit.__cause__
        except RecursionError as error:
            raise ValueProblem("nested too deeply, or a part of itself", "$") from error
        return data


def _check_same(value: Any, back: Any) -> None:
    from actors.values.sameness import difference

    found = difference(value, back)
    if found is not None:
        path, before, after = found
        raise ValueProblem(f"{show(before)} would come back as {show(after)}", f"${path}")


def _problem(misfit: Misfit) -> ValueProblem:
    return ValueProblem(misfit.problem, f"${misfit.path}")


@functools.lru_cache(maxsize=4096)
def _cached_codec(kind: Hashable) -> Codec[Any]:
    return Codec(kind)


def codec_for(kind: Any, what: str = "", name: str = "") -> Codec[Any]:
    """Return the codec of a type, which is created once. Raises :class:`DefinitionError` for a type that JSON cannot
    represent; its message begins with ``what``, and its name is ``name``, or else ``what``: the parameter, result or field."""
    try:
        hash(kind)
    except TypeError:
        return named_codec(Codec, kind, what, name)
    return named_codec(_cached_codec, kind, what, name)


def named_codec(make: Callable[[Any], Codec[Any]], kind: Any, what: str, name: str = "") -> Codec[Any]:
    try:
        return make(kind)
    except DefinitionError as error:
        if not what:
            raise
        raise DefinitionError(f"{what}: {error}", reason=error.reason, name=name or what) from error


def decode_kept(codec: Codec[T], data: bytes, name: object) -> T:
    """Decode a stored value. Raises :class:`NoLongerFitsError`, with the text of ``name``, if the type has changed
    since and the value does not fit."""
    try:
        return codec.read(data)
    except (ValueError, ValueProblem):
        pass  # it may fit in another spelling; if not, the code below finds the reason
    try:
        return codec.decode(data)
    except ValueProblem as error:
        path = f"{name}{error.path[1:]}"
        raise NoLongerFitsError(
            f"{path} was stored by other code and no longer fits its type: {error.problem}. "
            "Give an added attribute a default; for one that was removed, renamed or retyped, define __upgrade_stored__ on its class. "
            "Then resume",
            path=path,
        ) from error


def forget_codecs() -> None:
    """Drop all codecs. Called when a hook is registered."""
    _cached_codec.cache_clear()


def says_the_same(codec: Codec[T], value: T, data: bytes) -> bool:
    """Report whether a value that was read from ``data`` is unchanged. Other code may have written the same value in
    another form."""
    try:
        now = codec.encode(value)
    except ValueProblem:
        return False
    return now == data or now == codec.encode(codec.decode(data))
