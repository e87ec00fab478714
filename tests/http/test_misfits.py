"""A body or a query that does not fit is refused in the same words on every route, never in those of the library that reads it."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from actors.errors import InvalidArgumentError
from actors.http.routes import JsonBody, RawQuery, Route
from actors.http.server.app import ROUTES
from actors.http.server.backups import BackupBody
from actors.http.server.queries import QueryBody
from actors.http.server.request_context import read_body, read_query
from actors.model.control_options import EditOptions

WRONG = (
    b"5",
    b'"x"',
    b"[1]",
    b'{"a": 1}',
    b"true",
    b"-1",
    b"1.5",
    b'"' + b"x" * 6_000 + b'"',
    b'[{"a": []}]',
    b'{"a": [{}]}',
)
RAW = ("`", "Expected ", "got ")


def names_of(kind: Any) -> tuple[str, ...]:
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind))
    return tuple(getattr(kind, "__struct_encode_fields__", ()))


def refusals_of(route: Route) -> list[str]:
    """The refusals of wrong bodies and queries, each of which has one wrong value."""
    found: list[str] = []
    asked: list[Any] = []
    if route.body not in (None, JsonBody):
        bodies = [*WRONG, *(b'{"%s": %s}' % (name.encode(), text) for name in names_of(route.body) for text in WRONG)]
        asked += [(read_body, body, route.body) for body in bodies]
    if route.query not in (None, RawQuery):
        texts = ("zz", "-1", "1.5", "x" * 6_000, "", "true")
        asked += [(read_query, [(name, text)], route.query) for name in names_of(route.query) for text in texts]
    for read, given, kind in asked:
        try:
            read(given, kind)
        except InvalidArgumentError as refusal:
            found.append(str(refusal))
    return found


def test_every_route_refuses_what_does_not_fit_in_words() -> None:
    refusals = [refusal for route in ROUTES for refusal in refusals_of(route)]
    assert len(refusals) > 500
    assert [refusal for refusal in refusals if any(raw in refusal for raw in RAW)] == []


@pytest.mark.parametrize(
    ("body", "kind", "path", "found"),
    [
        (b"5", BackupBody, "$", "the body is 5"),
        (b'{"name": 5}', BackupBody, "$.name", "name of the body is 5"),
        (b'{"items": {"a": {}, "b": 1}}', EditOptions, "$.items[...]", "items.b of the body is 1"),
        (b'{"sql": "x", "parameters": [{}]}', QueryBody, "$.parameters[0]", "parameters[0] of the body is {}"),
    ],
)
def test_the_value_that_does_not_fit_is_named_with_its_place(body: bytes, kind: Any, path: str, found: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        read_body(body, kind)
    assert (refused.value.path, str(refused.value).startswith(found)) == (path, True)
