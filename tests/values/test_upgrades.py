"""``__upgrade_stored__``: a class reads what an earlier form of it has stored."""

from __future__ import annotations

import dataclasses
from typing import Any

import attrs
import pytest

from actors.errors import DefinitionError, DefinitionReason
from actors.values import ValueProblem, codec_for


@attrs.define
class Inner:
    size: int

    @classmethod
    def __upgrade_stored__(cls, stored: dict[str, Any]) -> dict[str, Any]:
        return {"size": stored.pop("width"), **stored}


@dataclasses.dataclass
class Line:
    text: str
    parts: list[Inner] = dataclasses.field(default_factory=list)

    @classmethod
    def __upgrade_stored__(cls, stored: dict[str, Any]) -> dict[str, Any]:
        if "body" in stored:
            stored["text"] = stored.pop("body")
        if stored.get("text") == "list":
            return []  # type: ignore[return-value]
        return stored


def read(data: bytes) -> Any:
    return codec_for(Line | None).decode(data)


def test_an_old_form_is_read_as_the_class_says_also_inside_others() -> None:
    assert read(b'{"body":"a","parts":[{"width":1},{"size":2}]}') == Line("a", [Inner(1), Inner(2)])
    assert read(b'{"text":"a","parts":[{"width":1}]}') == Line("a", [Inner(1)])


def test_what_fits_never_reaches_it() -> None:
    assert read(b'{"text":"list"}') == Line("list")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b'{"body":"a","more":1}', "$"),
        (b'{"body":"list"}', "$"),
        (b'{"body":7}', "$['text']"),
        (b'{"text":"a","parts":[{"depth":1}]}', "$['parts'][0]"),
    ],
)
def test_what_still_does_not_fit_is_refused_with_its_place(data: bytes, path: str) -> None:
    with pytest.raises(ValueProblem) as refused:
        read(data)
    assert refused.value.path == path


def test_a_method_of_an_instance_is_refused() -> None:
    @attrs.define
    class Wrong:
        text: str

        def __upgrade_stored__(self, stored: dict[str, Any]) -> dict[str, Any]:
            return stored

    with pytest.raises(DefinitionError) as refused:
        codec_for(Wrong)
    assert refused.value.reason is DefinitionReason.FUNCTION
