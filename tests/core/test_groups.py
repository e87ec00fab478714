"""Groups of errors are taken apart whatever their classes say, and however often they hold each other."""

from __future__ import annotations

import pytest

from actors.values.error_groups import alone, leaves_of, without
from tests.hostile.errors import ERRORS, doubling_group, nested_group


def test_each_error_in_a_group_is_found_once() -> None:
    for which in ("group says that it holds itself", "group doubles", "group is deep"):
        assert [str(leaf) for leaf in leaves_of(ERRORS[which]())] in (["x"], ["at the bottom"])
    assert len([*leaves_of(ERRORS["group is wide"]())]) == 10_000


def test_a_group_without_the_kind_is_left_as_it_is() -> None:
    for group in (doubling_group(60), nested_group(3_000), ExceptionGroup("g", [ValueError("x")])):
        assert without(group, KeyError) == (False, group)


def test_a_group_of_nothing_else_is_nothing_without_the_kind() -> None:
    for group in (doubling_group(60), nested_group(3_000)):
        assert without(group, ValueError) == (True, None)


def test_the_others_are_left_where_they_were() -> None:
    value, key = ValueError("x"), KeyError("y")
    found, left = without(ExceptionGroup("outer", [ExceptionGroup("inner", [value, key]), key]), KeyError)
    assert found
    assert isinstance(left, ExceptionGroup)
    assert [*leaves_of(left)] == [value]


def test_one_with_too_many_paths_is_not_taken_apart() -> None:
    group = doubling_group(60)
    mixed = ExceptionGroup("mixed", [group, KeyError("y")])
    assert without(mixed, KeyError) == (True, mixed)


@pytest.mark.parametrize(
    ("error", "is_alone"),
    [
        (OSError("a"), True),
        (ExceptionGroup("g", [ExceptionGroup("h", [OSError("a")])]), True),
        (ExceptionGroup("g", [OSError("a"), ExceptionGroup("h", [OSError("b")])]), True),
        (ExceptionGroup("g", [OSError("a"), ValueError("b")]), False),
        (ExceptionGroup("g", [ValueError("a"), ValueError("b")]), False),
    ],
)
def test_errors_of_one_failure_are_one_error_and_others_stay_together(error: Exception, is_alone: bool) -> None:
    found = alone(error, OSError)
    assert (found is error) == (not is_alone or not isinstance(error, ExceptionGroup))
    assert not is_alone or str(found) == "a"
