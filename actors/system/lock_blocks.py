"""``actors.lock``: the block of a handler in which it has keys for itself."""

from __future__ import annotations

from contextvars import ContextVar
from itertools import islice
from typing import TYPE_CHECKING, Self

from actors.core.locks import MAX_KEYS
from actors.errors import DeadlockError, ErrorCode, InvalidArgumentError, LimitExceededError, MisuseError
from actors.model.classes import Actor, ObjectBase, Workflow, definition_of
from actors.model.contexts import context_of
from actors.model.verbs.branches import branch_for, source_line
from actors.model.verbs.calls import actor
from actors.model.verbs.context import current_invocation
from actors.model.verbs.operations import AttachOperation
from actors.replay.scopes import CancelScope
from actors.system.locks import Lock, is_refused
from actors.values.arguments import MAX_NAME, checked_name, is_a
from actors.values.outcomes import value_of
from actors.values.texts import shown
from journal.ids import InvocationId

if TYPE_CHECKING:
    import types
    from collections.abc import Iterable

_held: ContextVar[tuple[str, ...]] = ContextVar("held_locks", default=())
"""The keys of the locks that the code has, in the blocks around it."""


class LockBlock:
    """The block of :func:`lock`."""

    def __init__(self, name: str, keys: list[str], source: str) -> None:
        self._wanted = [f"{name}/{key}" for key in sorted(set(keys))]
        self._source = source
        self._taken: list[tuple[str, InvocationId]] = []
        self._around: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        if self._taken:
            raise MisuseError(
                "this block of a lock has been entered already; call actors.lock() for each",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        self._around = _held.get()
        self._check_order()
        try:
            for key in self._wanted:
                await self._take(key)
        except BaseException:
            await self._release()
            raise
        _held.set((*self._around, *self._wanted))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> None:
        _held.set(self._around)
        await self._release()

    def _check_order(self) -> None:
        highest = max(self._around, default="")
        first = self._wanted[0]
        if first in self._around:
            raise DeadlockError(f"the lock {first!r} is held by this block already: a lock is not reentrant")
        if first < highest:
            raise DeadlockError(
                f"the lock {first!r} comes before {highest!r}, which is held: two invocations that take them in different orders "
                "wait for each other. Take both with one actors.lock(), or in the order of their names"
            )

    async def _take(self, key: str) -> None:
        self._taken.append((key, current_invocation()))
        try:
            grant = await actor(Lock, key).acquire()
        except (DeadlockError, LimitExceededError):
            self._taken.pop()  # it is not in the queue
            raise
        self._taken[-1] = (key, grant.guard)
        if grant.ahead_guard is None:
            return
        branch = branch_for("lock")
        completed = await AttachOperation(
            branch,
            branch.following_step,
            callee=grant.ahead_guard,
            source=self._source,
            lock=key,
            after=grant.ahead,
        )
        if is_refused(completed.outcome):
            value_of(completed.outcome, grant.ahead_guard)

    async def _release(self) -> None:
        """Release in reverse order. The messages are part of the turn: if it is dropped, because the handler is retried, the locks
        stay."""
        with CancelScope(shield=True):
            while self._taken:
                key, of = self._taken.pop()
                await actor(Lock, key).release.send(of)


def lock(name: str | type[Actor | Workflow], keys: str | Iterable[str]) -> LockBlock:
    """Open a block in which this invocation has the keys for itself: no other is in a block with the same name and one of them.

    ``name`` is any text without a slash, or a class, which stands for its name. The keys, at most 100, are taken in the order of their
    names, first come first served, whatever order they are given in, so two blocks never wait for each other. The block is left
    when the handler leaves it or ends in any way, also when it is killed; a cancelled handler has the keys while it compensates. A
    paused one keeps them. Locks survive crashes, and hold on all nodes of a cluster.

    A lock is an agreement: it stops other blocks, and no calls of the objects. It is not reentrant, not even in an invocation that the
    holder calls, and a block in another one may only take keys that come later: otherwise :class:`actors.errors.DeadlockError` is
    raised. A deadline around the block bounds the wait.

    Raises :class:`InvalidArgumentError`, and :class:`LimitExceededError` if 1,000 invocations want the same key.

    ::

        async with actors.lock(Account, [source, target]):
            await actors.actor(Account, source).withdraw(amount)
            await actors.actor(Account, target).deposit(amount)
    """
    branch = branch_for("lock")
    if isinstance(name, type) and issubclass(name, ObjectBase):
        name = definition_of(name).name
    name = checked_name(name, "name", MAX_NAME)
    if "/" in name:
        raise InvalidArgumentError(f"name is {shown(name)}, expected a text without a slash", path="name")
    wanted = [keys] if is_a(keys, str) else _as_list(keys)
    longest = context_of(branch).limits.key_bytes - len(name.encode()) - 1
    for key in wanted:
        if len(checked_name(key, "keys", MAX_NAME).encode()) > longest:
            raise InvalidArgumentError(f"keys has {shown(key)}, expected at most {longest} bytes", path="keys")
    if not 0 < len(wanted) <= MAX_KEYS:
        found = "no key" if not wanted else f"more than {MAX_KEYS} keys"
        raise InvalidArgumentError(f"keys has {found}, expected 1 to {MAX_KEYS}", path="keys")
    return LockBlock(name, wanted, source_line(1))


def _as_list(keys: Iterable[str]) -> list[str]:
    try:
        return [*islice(keys, MAX_KEYS + 1)]
    except TypeError:
        raise InvalidArgumentError(f"keys is {shown(keys)}, expected texts", path="keys") from None
