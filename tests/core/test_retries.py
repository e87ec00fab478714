"""When to try again: later and later, never all at once, and not for ever."""

from __future__ import annotations

import itertools
import math
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import InvalidArgumentError
from actors.values.retries import DEFAULT_RETRY, Exhausted, RetryPolicy, delay_seconds, is_exhausted
from actors.values.retry_after import retry_after
from tests.raising import raises

ALMOST_ONE = math.nextafter(1.0, 0.0)

policies = st.builds(
    RetryPolicy,
    initial_delay=st.floats(1e-6, 1e6),
    factor=st.floats(0.1, 1e3),
    max_delay=st.floats(1e-6, 1e9),
)


def test_delays_grow_by_the_factor_until_they_are_as_long_as_they_may_be() -> None:
    policy = RetryPolicy(initial_delay=0.5, factor=3.0, max_delay=20.0)
    assert [delay_seconds(policy, n, 0.0) * 2 for n in range(1, 7)] == [0.5, 1.5, 4.5, 13.5, 20.0, 20.0]


@given(policies, st.integers(1, 10**6))
def test_a_delay_is_between_half_and_all_of_what_the_policy_says(policy: RetryPolicy, failed: int) -> None:
    lowest, middle, highest = (delay_seconds(policy, failed, jitter) for jitter in (0.0, 0.5, ALMOST_ONE))
    assert 0 <= lowest <= middle <= highest
    assert highest <= policy.max_delay
    assert lowest == pytest.approx(highest / 2)
    assert middle == pytest.approx(highest * 0.75)


@given(policies.filter(lambda policy: policy.factor >= 1), st.integers(1, 3000))
def test_delays_never_shrink_where_the_factor_does_not_shrink_them(policy: RetryPolicy, failed: int) -> None:
    assert delay_seconds(policy, failed, 0.0) <= delay_seconds(policy, failed + 1, 0.0)


@pytest.mark.parametrize("failed", [1_000, 1_001, 10**9, 10**100])
def test_a_huge_number_of_attempts_is_a_number_like_any_other(failed: int) -> None:
    assert delay_seconds(RetryPolicy(factor=1e300, max_delay=60.0), failed, 0.0) == 30.0
    assert delay_seconds(RetryPolicy(initial_delay=2.0, factor=1.0, max_delay=60.0), failed, 0.0) == 1.0
    assert 0 <= delay_seconds(RetryPolicy(factor=0.5), failed, 0.0) < 1e-9
    assert not is_exhausted(RetryPolicy(max_attempts=None), failed)


def test_an_initial_delay_beyond_the_longest_one_is_cut() -> None:
    assert delay_seconds(RetryPolicy(initial_delay=100.0, max_delay=8.0), 1, 0.0) == 4.0


def test_the_delay_that_an_error_asks_for_is_kept_also_beyond_the_longest_one() -> None:
    policy = RetryPolicy(initial_delay=4.0, max_delay=8.0)
    assert delay_seconds(policy, 1, 0.0, 100.0) == 100.0
    assert 109 < delay_seconds(policy, 1, ALMOST_ONE, 100.0) <= 110.1, "so that not all try again together"
    assert delay_seconds(policy, 1, 0.0, 1.0) == delay_seconds(policy, 1, 0.0), "the policy's own delay is longer"


class Busy(Exception):
    retry_after = 7


class Answer:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def asking(**attributes: Any) -> Exception:
    error = Exception("busy")
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (Busy(), 7.0),
        (asking(retry_after=2.5), 2.5),
        (asking(retry_after=timedelta(minutes=1)), 60.0),
        (asking(retry_after=10**9), 86_400.0),
        (asking(retry_after=-1), 0.0),
        (asking(response=Answer(retry_after="30")), 30.0),
        (asking(response=Answer(retry_after="30", retry_after_ms="1500")), 1.5),
        (asking(response=Answer(retry_after="Thu, 01 Jan 1970 00:17:00 GMT")), 20.0),
        (ExceptionGroup("both", [Busy(), asking(retry_after=9)]), 9.0),
        (asking(retry_after="soon"), None),
        (asking(retry_after=math.nan), None),
        (asking(response=Answer(retry_after="soon")), None),
        (asking(response=Answer(retry_after="nan")), None),
        (asking(response=Answer(retry_after="9" * 100)), None),
        (asking(response=object()), None),
        (Exception(), None),
    ],
)
def test_an_error_says_when_to_try_again(error: Exception, delay: float | None) -> None:
    assert retry_after(error, lambda: 1_000.0) == delay


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_attempts_count_the_first_one(limit: int) -> None:
    policy = RetryPolicy(max_attempts=limit)
    assert [is_exhausted(policy, failed) for failed in (limit - 1, limit, limit + 1)] == [False, True, True]


def test_without_a_limit_attempts_are_never_used_up() -> None:
    assert not any(is_exhausted(RetryPolicy(max_attempts=None), failed) for failed in (1, 10, 10**9))


def test_the_default_tries_ten_times_within_a_minute_and_then_waits_for_a_person() -> None:
    failures = itertools.takewhile(lambda n: not is_exhausted(DEFAULT_RETRY, n), itertools.count(1))
    delays = [delay_seconds(DEFAULT_RETRY, failed, ALMOST_ONE) for failed in failures]
    assert len(delays) == 9
    assert 30 < sum(delays) < 60
    assert DEFAULT_RETRY.on_exhausted is Exhausted.PAUSE


@pytest.mark.parametrize("name", ["initial_delay", "factor", "max_delay"])
@pytest.mark.parametrize("value", [0, -1, -0.0, math.nan, -math.inf, math.inf, True])
def test_a_number_that_cannot_work_is_refused_by_its_name(name: str, value: float) -> None:
    with raises(InvalidArgumentError, path=name):
        RetryPolicy(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 2.5, True, 2**64])
def test_what_is_no_number_of_attempts_is_refused(value: int) -> None:
    with raises(InvalidArgumentError, path="max_attempts"):
        RetryPolicy(max_attempts=value)


@pytest.mark.parametrize("text", ["pause", "fail"])
def test_what_follows_the_last_attempt_may_be_said_as_a_word(text: str) -> None:
    policy = RetryPolicy(on_exhausted=text)
    assert policy.on_exhausted is Exhausted(text)
    assert RetryPolicy(on_exhausted=Exhausted(text)) == policy


def test_another_word_for_what_follows_is_refused() -> None:
    with raises(InvalidArgumentError, path="on_exhausted"):
        RetryPolicy(on_exhausted="explode")


def test_a_policy_is_a_value() -> None:
    assert RetryPolicy(max_attempts=3) == RetryPolicy(max_attempts=3)
    assert hash(RetryPolicy(max_attempts=3)) == hash(RetryPolicy(max_attempts=3))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RetryPolicy().factor = 3.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        RetryPolicy(3)  # type: ignore[call-arg]
