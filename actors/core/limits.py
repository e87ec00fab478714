"""Limits: how many invocations of a scope may run at once, how many may start in a period, and how much they may spend. ::

    service:Agent    50 at once ────┐
    tag:user=ada      2 at once ────┤  an invocation under several limits starts once all of them have room
    tag:user         10 a minute ───┘  each value of the tag is counted on its own
    handler:Agent/research    a budget of 100,000 tokens: once it is used up, none starts, and those that have begun are paused

The rules are durable, in the registry. ``core.run_places`` says who may run.

A scope is a text. Of an invocation of ``Chat/alice/say`` with the tag ``user=ada`` these limits count it:

    everything  service:Chat  handler:Chat/say  key:Chat/alice or key:Chat  tag:user=ada or tag:user

The limit of one key or of one value replaces the limit of each, so one user can be given more than the others. A limit counts a
renamed class or handler under all of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.gates import ScopeKind, parse_scope
from actors.errors import InvalidArgumentError
from actors.values.amounts import grouped, is_used_up
from actors.values.names import EDIT, is_system
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from journal.ids import InvocationId

_TAG = "tag:"
_KEY = "key:"
_PRIORITY = "priority"
_MAX_PRIORITY = 10
_PRIORITIES = {str(number): number for number in range(-_MAX_PRIORITY, _MAX_PRIORITY + 1)}
_SECONDS_PER_PRIORITY = 60.0

_KINDS = frozenset({ScopeKind.EVERYTHING, ScopeKind.SERVICE, ScopeKind.HANDLER, ScopeKind.KEY})


@attrs.frozen(kw_only=True)
class Limit:
    """At most ``concurrency`` invocations of the scope run at once, at most ``rate`` start in any ``period`` of seconds, and they spend
    the ``budget``: amounts by the name of the quantity. None sets no bound. ``life`` tells this budget from earlier ones of the scope.
    ``since``, ``by`` and ``reason`` say when, by whom and why it was set."""

    scope: str
    concurrency: int | None
    rate: int | None = None
    period: float = 0.0
    since: float
    by: str
    reason: str = ""
    budget: dict[str, str] | None = None
    life: int = 0

    @property
    def bounds(self) -> tuple[int | None, int | None, float, dict[str, str] | None]:
        """What it permits: the concurrency, the rate and its period, and the budget."""
        return self.concurrency, self.rate, 0.0 if self.rate is None else self.period, self.budget


@attrs.frozen
class LimitChange:
    """The result of setting or deleting a limit: whether it changed, and the limit before and after."""

    changed: bool
    before: Limit | None
    after: Limit | None


@attrs.frozen
class UsedUp:
    """A quantity of a budget without a rest: the scope, the sum that was ``spent``, and the ``budget``."""

    scope: str
    quantity: str
    spent: str
    budget: str

    def __str__(self) -> str:
        return f"{grouped(self.spent)} of {grouped(self.budget)} {self.quantity}"


@attrs.frozen
class LimitWait:
    """An invocation waits for a limit: its scope and bounds, how many run under it, and how many invocations are before this one.
    ``opens_at`` is the time from which the rate permits a start again; None if the wait is for the end of others. ``used_up`` is the
    budget that has no room; None if it is not the budget that it waits for."""

    scope: str
    concurrency: int | None
    rate: int | None
    period: float
    running: int
    ahead: int
    opens_at: float | None = None
    used_up: UsedUp | None = None


def used_up(scope: str, spent: Mapping[str, str], budget: Mapping[str, str]) -> UsedUp | None:
    """Return the first quantity of which nothing is left; None if there is some of each."""
    for quantity, amount in budget.items():
        so_far = spent.get(quantity, "0")
        if is_used_up(so_far, amount):
            return UsedUp(scope, quantity, so_far, amount)
    return None


def written_rate(rate: int, period: float) -> str:
    """Return a rate as text, such as ``100/60s``, which the command line also takes."""
    return f"{rate}/{f'{period:.6f}'.rstrip('0').rstrip('.')}s"


def checked_limit_scope(text: str) -> str:
    """Return the text of a scope that a limit can have. Raises :class:`actors.InvalidArgumentError`."""
    if text.startswith(_TAG):
        name, equals, value = text.removeprefix(_TAG).partition("=")
        if name and (value or not equals):
            return text
    elif text.startswith(_KEY) and "/" not in text:
        if text != _KEY:
            return text
    else:
        try:
            if parse_scope(text).kind in _KINDS:
                return text
        except InvalidArgumentError:
            pass
    raise InvalidArgumentError(
        f"the scope is {shown(text)}, expected everything, service:NAME, handler:NAME/HANDLER, key:NAME/KEY, tag:NAME=VALUE, "
        "key:NAME for each key on its own, or tag:NAME for each value on its own",
        path="scope",
    )


@attrs.frozen
class Names:
    """All names of a class and of a handler, the current ones first."""

    services: Sequence[str]
    handlers: Sequence[str]


@attrs.frozen(kw_only=True)
class Candidate:
    """An invocation, as far as limits are concerned with it."""

    invocation_id: InvocationId
    service: str
    key: str | None
    handler: str
    tags: Mapping[str, str] | None
    accepted_at: float

    @property
    def rank(self) -> float:
        """The time by which it is ordered among those that wait: its acceptance, and one minute earlier for each step of its priority.
        It never changes, so nobody is passed by without end: those that are accepted 20 minutes later come after it in any case."""
        tags = self.tags
        if not tags or _PRIORITY not in tags:
            return self.accepted_at
        return self.accepted_at - _SECONDS_PER_PRIORITY * _PRIORITIES.get(tags[_PRIORITY], 0)


def check_priority(name: str, value: str) -> None:
    """Raise :class:`actors.InvalidArgumentError` if this is the tag ``priority``, and its value is none."""
    if name == _PRIORITY and value not in _PRIORITIES:
        raise InvalidArgumentError(
            f"the tag {_PRIORITY} is {shown(value)}, expected a whole number from -{_MAX_PRIORITY} to {_MAX_PRIORITY}",
            path=f"tags.{_PRIORITY}",
        )


def counting_limits(
    limits: Mapping[str, Limit], names: Names, key: str | None, tags: Mapping[str, str] | None
) -> Iterator[tuple[str, Limit]]:
    """Yield the limits that count such an invocation, each with the text of what it counts: the scope, or for a limit of each key
    or value, the one of the invocation. A class or a handler is found under all of its names, the current one first."""
    if is_system(names.services[0]) or names.handlers[0] == EDIT:
        return
    for alternatives in _scopes(names, key, tags):
        for scope, limited in alternatives:
            limit = limits.get(limited)
            if limit is not None:
                yield scope, limit
                break


def _scopes(names: Names, key: str | None, tags: Mapping[str, str] | None) -> Iterator[Iterable[tuple[str, str]]]:
    """Yield the scopes that contain an invocation, each with the scope that a limit of it has, those that come first in place of
    others together."""
    yield (("everything", "everything"),)
    yield [(scope, scope) for scope in (f"service:{service}" for service in names.services)]
    yield [(scope, scope) for scope in (f"handler:{s}/{h}" for s in names.services for h in names.handlers)]
    if key is not None:
        scopes = [(f"{_KEY}{service}/{key}", f"{_KEY}{service}") for service in names.services]
        yield [*((scope, scope) for scope, _ in scopes), *scopes]
    for name, value in (tags or {}).items():
        scope = f"{_TAG}{name}={value}"
        yield (scope, scope), (scope, f"{_TAG}{name}")
