"""An error that is raised, with its code and the attributes that tell it from others of its class."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from actors import errors
from actors.errors import ActorError, DefinitionReason, ErrorCode, ResourceKind

if TYPE_CHECKING:
    import re

E = TypeVar("E", bound=BaseException)

ERRORS: list[type[ActorError]] = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ActorError)
]
"""Every error of the package that is an ``Exception``."""

_NEEDED: dict[str, Any] = {
    "code": ErrorCode.NOT_POSSIBLE,
    "deployment": "dep_1",
    "kind": ResourceKind.JOB,
    "limit": "mailbox",
    "name": "Counter.value",
    "reason": DefinitionReason.DEFAULT,
}


def made(kind: type[E], message: str = "no") -> E:
    """One of a class, with what it is made of besides its message."""
    needed = [each for each in inspect.signature(kind.__init__).parameters.values() if each.kind is each.KEYWORD_ONLY]
    return kind(message, **{each.name: _NEEDED[each.name] for each in needed if each.default is each.empty})


def raises(
    kind: type[E], /, *, match: str | re.Pattern[str] | None = None, **attributes: object
) -> pytest.RaisesExc[E]:
    """As ``pytest.raises``, and the error has these attributes: ``raises(NotFoundError, kind="step")``."""

    def has_attributes(error: E) -> bool:
        found = {name: getattr(error, name, "missing") for name in attributes}
        assert found == attributes, error
        return True

    return pytest.raises(kind, match=match, check=has_attributes)
