"""A call is the same call in both forms of its argument, and another call in none."""

from __future__ import annotations

import attrs
import pytest

from actors.core.inputs import digest_of, has_digest, is_same_input


@attrs.frozen
class Given:
    argument: bytes
    parameter: str | None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Given(b"3", "p"), Given(b'{"p":3}', "")),
        (Given(b'{"p":3}', "p"), Given(b'{"p":{"p":3}}', "")),
        (Given(b"3", "p"), Given(b"3", "amount")),
        (Given(b"", "p"), Given(b"{}", "")),
        (Given(b"", ""), Given(b"", "p")),
    ],
)
def test_both_forms_are_one_input(one: Given, other: Given) -> None:
    for before, after in [(one, other), (other, one)]:
        assert is_same_input(before, after)
        assert has_digest(after, digest_of(before))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Given(b'{"p":3}', "p"), Given(b'{"p":3}', "")),
        (Given(b"3", "p"), Given(b'{"q":3}', "")),
        (Given(b"3", "p"), Given(b'{"p":3,"q":0}', "")),
        (Given(b"3", "p"), Given(b"4", "p")),
        (Given(b"", "p"), Given(b"{}", "p")),
    ],
)
def test_other_values_are_other_inputs(one: Given, other: Given) -> None:
    assert not is_same_input(one, other)
    assert not is_same_input(other, one)


def test_a_value_and_the_same_object_of_parameters_have_other_digests() -> None:
    value, names = Given(b'{"p":3}', "p"), Given(b'{"p":3}', "")
    assert not has_digest(value, digest_of(names))
    assert not has_digest(names, digest_of(value))
