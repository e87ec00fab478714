"""Refuses requests between nodes that were recorded on the network and sent again.

A request is accepted for :data:`SKEW_SECONDS` before and after the time it was signed at, and its random number is remembered until that
time is over. From then on, requests that are not newer are refused, also if the clock is set back. So each request is accepted once.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

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
        """When the remembered requests were signed, in the order in which they came."""
        self._forgotten_to = -inf
        """When the newest forgotten request was signed."""

    def accept(self, signed: Signed) -> None:
        """Accept a request whose signature is valid. Raises :class:`actors.errors.NotOwnerError` if the clocks are too far apart, if the
        request may be one that was forgotten, or if too many are remembered, and :class:`actors.errors.UnknownOutcomeError` for a request
        that was accepted before."""
        now, sent_at = self._clock.now(), _seconds(signed.sent_at)
        skew = now - sent_at
        if not abs(skew) <= SKEW_SECONDS:  # also if it is no number
            raise self._refusal(
                f"a request whose time differs by {skew:.1f} s from its clock; at most {SKEW_SECONDS:g} s of skew are accepted: set the "
                "clocks of both nodes"
            )
        self._forget(now - SKEW_SECONDS)
        if signed.nonce in self._seen:
            raise UnknownOutcomeError(
                f"node {self._name} has received this request before, so something on the network repeats requests; it refuses the second"
            )
        if sent_at <= self._forgotten_to:
            raise self._refusal(
                f"a request that was signed {self._forgotten_to - sent_at:.1f} s before others that it has accepted and forgotten, so it may "
                "be a repetition of one: the clock of this node was set back; try again later"
            )
        if len(self._seen) >= self._at_most:
            raise self._refusal(
                f"more than {self._at_most} requests of other nodes within {REMEMBERED_SECONDS:g} s, which is the limit; try again later"
            )
        self._seen[signed.nonce] = sent_at

    def _forget(self, before: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] >= before:
                return
            self._forgotten_to = max(self._forgotten_to, self._seen.pop(oldest))

    def _refusal(self, of: str) -> NotOwnerError:
        return NotOwnerError(f"node {self._name} refuses {of}", node=self._name)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
