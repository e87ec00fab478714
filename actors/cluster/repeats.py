"""Refuses requests between nodes that were recorded on the network and sent again.

A request is accepted for :data:`SKEW_SECONDS` before and after the time it was signed at, and its random number is remembered for as long as
that can be, so it is accepted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.errors import NotOwnerError, UnknownOutcomeError

if TYPE_CHECKING:
    from actors.cluster.signatures import Signed
    from journal.clock import Clock

SKEW_SECONDS = 30.0
"""How far the clocks of two nodes may be apart."""

REMEMBERED_SECONDS = 2 * SKEW_SECONDS
"""How long a request can be accepted, if the sender's clock is ahead."""

_MOST_REMEMBERED = 500_000


class RepeatGuard:
    """Accepts each request to node ``name`` once. ``at_most`` is the number of requests that it accepts in
    :data:`REMEMBERED_SECONDS`."""

    def __init__(self, name: str, clock: Clock, *, at_most: int = _MOST_REMEMBERED) -> None:
        self._name = name
        self._clock = clock
        self._at_most = at_most
        self._seen: dict[str, float] = {}

    def accept(self, signed: Signed) -> None:
        """Accept a request whose signature is valid. Raises :class:`actors.errors.NotOwnerError` if the clocks are too far apart or too
        many requests are remembered, and :class:`actors.errors.UnknownOutcomeError` for a request that was accepted before."""
        skew = self._clock.now() - _seconds(signed.sent_at)
        if not abs(skew) <= SKEW_SECONDS:  # also if it is no number
            raise NotOwnerError(
                f"node {self._name} refuses a request whose time differs by {skew:.1f} s from its clock; at most {SKEW_SECONDS:g} s of skew "
                "are accepted: set the clocks of both nodes",
                node=self._name,
            )
        now = trio.current_time()
        self._forget(now - REMEMBERED_SECONDS)
        if signed.nonce in self._seen:
            raise UnknownOutcomeError(
                f"node {self._name} has received this request before, so something on the network repeats requests; it refuses the second"
            )
        if len(self._seen) >= self._at_most:
            raise NotOwnerError(
                f"node {self._name} has accepted {self._at_most} requests of other nodes within {REMEMBERED_SECONDS:g} s, which is the limit; "
                "try again later",
                node=self._name,
            )
        self._seen[signed.nonce] = now

    def _forget(self, before: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] >= before:
                return
            del self._seen[oldest]


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
