"""Limits: how many invocations of a scope may run at once, how many may start in a period, and how much they may spend. ::

    service:Agent    50 at once ────┐
    tag:user=ada      2 at once ────┤  an invocation under several limits starts once all of them have room
    tag:user         10 a minute ───┘  each value of the tag is counted on its own
    handler:Agent/research    a budget of 100,000 tokens: once it is used up, no invocation starts, and running ones are paused

The rules are durable, in the registry. ``core.run_places`` decides which invocations may run.

A scope is a text. Limits with these scopes count an invocation of ``Chat/alice/say`` with the tag ``user=ada``:

    everything  service:Chat  handler:Chat/say  key:Chat/alice or key:Chat  tag:user=ada or tag:user

A limit of one key or value (``tag:user=ada``) replaces the limit of each key or value (``tag:user``), so one user can have more than
the others. A limit counts a renamed class or handler under all of its names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.gates import ScopeKind, parse_scope
from actors.errors import InvalidArgumentError
from actors.values.amounts import grouped, is_used_up
from actors.values.names import EDIT, is_system
from actors.values.priorities import priority_of
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from journal.ids import InvocationId

_TAG = "tag:"
_KEY = "key:"
_SECONDS_PER_PRIORITY = 60.0

_KINDS = frozenset({ScopeKind.EVERYTHING, ScopeKind.SERVICE, ScopeKind.HANDLER, ScopeKind.KEY})


@attrs.frozen(kw_only=True)
class Limit:
    """At most ``concurrency`` invocations of the scope run at once, at most ``rate`` start in any ``period`` of seconds, and together they
    spend at most the ``budget``: amounts by the name of the quantity. None means no bound. ``life`` distinguishes this budget from earlier budgets of the scope.
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
        """The concurrency, the rate and its period, and the budget."""
        return self.concurrency, self.rate, 0.0 if self.rate is None else self.period, self.budget


@attrs.frozen
class LimitChange:
    """The result of setting or deleting a limit: whether it changed, and the limit before and after."""

    changed: bool
    before: Limit | None
    after: Limit | None


@attrs.frozen
class UsedUp:
    """A used-up quantity of a budget: the scope, the amount that was ``spent``, and the ``budget``."""

    scope: str
    quantity: str
    spent: str
    budget: str

    def __str__(self) -> str:
        return f"{grouped(self.spent)} of {grouped(self.budget)} {self.quantity}"


@attrs.frozen
class LimitWait:
    """An invocation waits for a limit: its scope and bounds, how many run under it, and how many invocations are before this one.
    ``opens_at`` is the time at which the rate permits the next start; None if the invocation waits for others to end. ``used_up`` is the
    used-up budget; None if the invocation does not wait for a budget."""

    scope: str
    concurrency: int | None
    rate: int | None
    period: float
    running: int
    ahead: int
    opens_at: float | None = None
    used_up: UsedUp | None = None


def used_up(scope: str, spent: Mapping[str, str], budget: Mapping[str, str]) -> UsedUp | None:
    """Return the first used-up quantity; None if none is used up."""
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
    """All names of a class and of a handler, the current name first."""

    services: Sequence[str]
    handlers: Sequence[str]


@attrs.frozen(kw_only=True)
class Candidate:
    """The properties of an invocation that limits depend on."""

    invocation_id: InvocationId
    service: str
    key: str | None
    handler: str
    tags: Mapping[str, str] | None
    accepted_at: float

    @property
    def rank(self) -> float:
        """The time that orders waiting invocations: the acceptance, minus one minute for each unit of priority. It never changes, so no
        invocation waits forever: one that is accepted more than 20 minutes later always comes after it."""
        return self.accepted_at - _SECONDS_PER_PRIORITY * priority_of(self.tags)


def counting_limits(
    limits: Mapping[str, Limit], names: Names, key: str | None, tags: Mapping[str, str] | None
) -> Iterator[tuple[str, Limit]]:
    """Yield the limits that count such an invocation, each with the scope that it counts: the limit's own scope, or for a limit of each key
    or value, the scope of the invocation's key or value. Classes and handlers are found under all of their names, the current one first."""
    if is_system(names.services[0]) or names.handlers[0] == EDIT:
        return
    for alternatives in _scopes(names, key, tags):
        for scope, limited in alternatives:
            limit = limits.get(limited)
            if limit is not None:
                yield scope, limit
                break


def _scopes(names: Names, key: str | None, tags: Mapping[str, str] | None) -> Iterator[Iterable[tuple[str, str]]]:
    """Yield groups of scopes that contain an invocation, each scope with the scope of its limit. Within a group, the first scope that has a
    limit replaces the others."""
    yield (("everything", "everything"),)
    yield [(scope, scope) for scope in (f"service:{service}" for service in names.services)]
    yield [(scope, scope) for scope in (f"handler:{s}/{h}" for s in names.services for h in names.handlers)]
    if key is not None:
        scopes = [(f"{_KEY}{service}/{key}", f"{_KEY}{service}") for service in names.services]
        yield [*((scope, scope) for scope, _ in scopes), *scopes]
    for name, value in (tags or {}).items():
        scope = f"{_TAG}{name}={value}"
        yield (scope, scope), (scope, f"{_TAG}{name}")
