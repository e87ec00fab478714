"""The rules of the whole runtime as one object: its gates, limits, deployments and notifications, and the
tokens and the placement of a cluster.

Only the object's handlers change the rules, so its log shows who changed what, when, and why. An engine does not call
the object: it follows the log (``engine.registry``).
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from actors.core.deployments import Deployment, DeploymentChange, Deployments
from actors.core.gates import Gate, GateChange, Gates, GateScope, GateState, close_gate, open_gate
from actors.core.limits import Limit, LimitChange
from actors.core.nodes import PartitionMove
from actors.core.notifications import MAX_NOTIFICATIONS, NotificationRule
from actors.core.tokens import MAX_TOKENS, TokenRecord
from actors.errors import ConflictError, ErrorCode, LimitExceededError, NotFoundError, ResourceKind
from actors.model.classes import Actor, service_name
from actors.model.fields import field
from actors.model.handlers import handler
from actors.model.verbs.calls import actor
from actors.model.verbs.time import current_time
from actors.system.notification import Notification, lanes_of
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.texts import shown
from journal.events import PauseMode, Target
from journal.ids import StreamId, stream_of

REGISTRY_KEY = "main"
"""The only registry's key."""

AUDIT_SECONDS = 90 * 24 * 3600.0
"""How long changes to the registry stay visible, independent of the retention of user invocations."""

JOB_KEY_SECONDS = 24 * 3600.0
"""How long an idempotency key finds its job. A person, or a program that lost an answer, repeats a request sooner."""

MAX_LIMITS = 1_000
"""The number of limits that can be in force at a time."""

MAX_GATES = 1_000
"""The number of rules that can be in force at a time."""


class Registry(Actor):
    """Gates, limits, deployments, notifications and the tokens of a cluster, and the history of their changes."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    gates: list[Gate] = field(factory=list)
    limits: list[Limit] = field(factory=list)
    deployments: list[Deployment] = field(factory=list)
    latest: str = ""
    notifications: list[NotificationRule] = field(factory=list)
    tokens: list[TokenRecord] = field(factory=list)
    draining: list[str] = field(factory=list)
    moves: list[PartitionMove] = field(factory=list)
    revision: int = 0
    """Counts the requests. An object without state would be removed, and its log would start again from 1 under its followers."""

    @handler(retention=AUDIT_SECONDS)
    async def close_gate(
        self, scope: GateScope, mode: PauseMode, reason: str, by: str, since: float | None = None
    ) -> GateChange:
        """Hold every invocation in the scope. ``since`` is the time of closing in wall seconds, by default now."""
        self.revision += 1
        at = current_time() if since is None else since
        gate = Gate(scope=scope, state=GateState.CLOSED, since=at, by=by, reason=reason, mode=mode)
        return self._keep(*close_gate(Gates(self.gates), gate))

    @handler(retention=AUDIT_SECONDS)
    async def open_gate(self, scope: GateScope, reason: str, by: str) -> GateChange:
        """Resume every invocation in the scope."""
        self.revision += 1
        exception = Gate(scope=scope, state=GateState.OPEN, since=current_time(), by=by, reason=reason)
        return self._keep(*open_gate(Gates(self.gates), exception))

    @handler(retention=AUDIT_SECONDS)
    async def set_limit(
        self,
        scope: str,
        concurrency: int | None,
        rate: int | None,
        period: float,
        reason: str,
        by: str,
        budget: dict[str, str] | None = None,
    ) -> LimitChange:
        """Let at most ``concurrency`` invocations of the scope run at once, ``rate`` start in a ``period`` of seconds, and all of them
        spend the ``budget``. Amounts that were spent under the replaced budget count."""
        before = self._limit(scope)
        goes_on = before is not None and before.budget is not None
        limit = Limit(
            scope=scope,
            concurrency=concurrency,
            rate=rate,
            period=period,
            since=current_time(),
            by=by,
            reason=reason,
            budget=budget,
            life=before.life if before is not None and goes_on else self.revision + 1,
        )
        if before is not None and before.bounds == limit.bounds:
            return LimitChange(False, before, before)
        if before is None and len(self.limits) >= MAX_LIMITS:
            raise LimitExceededError(
                f"there are {len(self.limits)} limits (limit {MAX_LIMITS}); delete some",
                limit="limits",
                maximum=MAX_LIMITS,
                found=len(self.limits),
                code=ErrorCode.TOO_MANY,
            )
        self.revision += 1
        self.limits = sorted([*(one for one in self.limits if one.scope != scope), limit], key=lambda one: one.scope)
        return LimitChange(True, before, limit)

    @handler(retention=JOB_KEY_SECONDS)
    async def name_job(self, mark: str) -> str:
        """Return the name of the job whose idempotency key has this ``mark``. It is called under the key, so that all who use the
        key, on any node, are given the name that the first of them was given."""
        self.revision += 1
        return f"job_{int(current_time() * 1000):012x}{mark}"

    @handler(retention=AUDIT_SECONDS)
    async def delete_limit(self, scope: str, reason: str, by: str) -> LimitChange:
        """Remove the limit; ``reason`` and ``by`` are for the log."""
        before = self._limit(scope)
        if before is not None:
            self.revision += 1
            self.limits = [one for one in self.limits if one.scope != scope]
        return LimitChange(before is not None, before, None)

    def _limit(self, scope: str) -> Limit | None:
        return next((limit for limit in self.limits if limit.scope == scope), None)

    @handler(retention=AUDIT_SECONDS)
    async def register_deployment(
        self, deployment: str, entries: list[str], files: int, size: int, by: str
    ) -> DeploymentChange:
        """Register a deployment that is being served."""
        new = Deployment(
            id=deployment,
            entries=tuple(entries),
            files=files,
            size=size,
            registered_at=current_time(),
            registered_by=by,
        )
        return self._take(self._deployments().served(new))

    @handler(retention=AUDIT_SECONDS)
    async def make_latest(self, deployment: str, reason: str, by: str) -> DeploymentChange:
        """Let new invocations run on the deployment."""
        because = f"{by} made {deployment} the latest{f': {reason}' if reason else ''}"
        return self._take(self._deployments().moved(deployment, because))

    @handler(retention=AUDIT_SECONDS)
    async def prune_deployment(self, deployment: str, reason: str, by: str) -> DeploymentChange:
        """Remove the deployment; ``reason`` and ``by`` are for the log."""
        return self._take(self._deployments().pruned(deployment))

    @handler(retention=AUDIT_SECONDS)
    async def create_notification(self, rule: NotificationRule) -> bool:
        """Begin a notification. The same rule again changes nothing. Returns whether it is new."""
        self.revision += 1
        own = self._notification(rule.name)
        if own is not None:
            if not is_same_rule(own, rule):
                raise ConflictError(
                    f"there is a notification {rule.name!r} already, and it is another one: update it, or choose another name",
                    code=ErrorCode.ALREADY_EXISTS,
                )
            return False
        if len(self.notifications) >= MAX_NOTIFICATIONS:
            raise LimitExceededError(
                f"there are {len(self.notifications)} notifications (limit {MAX_NOTIFICATIONS}); delete some first",
                limit="notifications",
                maximum=MAX_NOTIFICATIONS,
                found=len(self.notifications),
                code=ErrorCode.TOO_MANY,
            )
        self.notifications = sorted([*self.notifications, rule], key=lambda each: each.name)
        return True

    @handler(retention=AUDIT_SECONDS)
    async def replace_notification(self, rule: NotificationRule) -> bool:
        """Change a notification. Its life and its secret stay. Returns whether anything has changed."""
        self.revision += 1
        own = self._known_notification(rule.name)
        if is_same_rule(own, rule):
            return False
        kept = {name: getattr(own, name) for name in ("life", "secret_number", "created_at", "created_by")}
        self._put_notification(attrs.evolve(rule, **kept))
        return True

    @handler(retention=AUDIT_SECONDS)
    async def rotate_notification(self, name: str, by: str) -> NotificationRule:
        """Give a notification another secret. Returns its rule."""
        self.revision += 1
        own = self._known_notification(name)
        number, now = own.secret_number + 1, current_time()
        rotated = attrs.evolve(own, secret_number=number, changed_at=now, changed_by=by)
        self._put_notification(rotated)
        return rotated

    @handler(retention=AUDIT_SECONDS)
    async def delete_notification(self, name: str) -> bool:
        """End a notification. Notices that wait are dropped."""
        self.revision += 1
        own = self._known_notification(name)
        self.notifications = [rule for rule in self.notifications if rule is not own]
        for lane in lanes_of(name):
            await actor(Notification, lane).forget.send(own.life)
        return True

    @handler(retention=AUDIT_SECONDS)
    async def create_token(self, name: str, scope: str, digest: str, reason: str, by: str) -> None:
        """Make a named token valid on every node; ``reason`` and ``by`` are for the log."""
        self.revision += 1
        if any(token.name == name for token in self.tokens):
            raise ConflictError(
                f"there is a token {name!r} already; revoke it first, or take another name",
                code=ErrorCode.ALREADY_EXISTS,
            )
        if len(self.tokens) >= MAX_TOKENS:
            raise LimitExceededError(
                f"there are {len(self.tokens)} tokens; revoke some first",
                limit="tokens",
                maximum=MAX_TOKENS,
                found=len(self.tokens),
                code=ErrorCode.TOO_MANY,
            )
        made = TokenRecord(name=name, scope=scope, digest=digest, created_at=current_time())
        self.tokens = [*self.tokens, made]

    @handler(retention=AUDIT_SECONDS)
    async def revoke_token(self, name: str, reason: str, by: str) -> None:
        """Let no node accept a named token; ``reason`` and ``by`` are for the log."""
        self.revision += 1
        kept = [token for token in self.tokens if token.name != name]
        if len(kept) == len(self.tokens):
            raise NotFoundError(
                f"there is no token {shown(name)}; 'playhead tokens list' lists the existing ones",
                kind=ResourceKind.TOKEN,
            )
        self.tokens = kept

    @handler(retention=AUDIT_SECONDS)
    async def drain_node(self, node: str, living: list[str], reason: str, by: str) -> bool:
        """Let a node own nothing. Returns whether that is new. The rules of nodes that are not ``living`` are forgotten; ``reason`` and
        ``by`` are for the log."""
        self.revision += 1
        is_new = node not in self.draining
        self.draining = [*(each for each in self.draining if each in living and each != node), node]
        self.moves = [move for move in self.moves if move.node in living and move.node != node]
        return is_new

    @handler(retention=AUDIT_SECONDS)
    async def undrain_node(self, node: str, reason: str, by: str) -> bool:
        """Let a node own partitions again. Returns whether it did not; ``reason`` and ``by`` are for the log."""
        self.revision += 1
        was_draining = node in self.draining
        self.draining = [each for each in self.draining if each != node]
        return was_draining

    @handler(retention=AUDIT_SECONDS)
    async def move_partition(self, partition: int, node: str, living: list[str], reason: str, by: str) -> bool:
        """Let a node own a partition for as long as it lives. Returns whether that is new. The rules of nodes that are not ``living`` are
        forgotten; ``reason`` and ``by`` are for the log."""
        self.revision += 1
        move = PartitionMove(partition, node)
        is_new = move not in self.moves
        self.draining = [each for each in self.draining if each in living]
        self.moves = [*(each for each in self.moves if each.partition != partition and each.node in living), move]
        return is_new

    def _notification(self, name: str) -> NotificationRule | None:
        return next((rule for rule in self.notifications if rule.name == name), None)

    def _known_notification(self, name: str) -> NotificationRule:
        own = self._notification(name)
        if own is None:
            raise unknown_notification(name)
        return own

    def _put_notification(self, rule: NotificationRule) -> None:
        self.notifications = [rule if each.name == rule.name else each for each in self.notifications]

    def _deployments(self) -> Deployments:
        return Deployments(tuple(self.deployments), self.latest)

    def _take(self, after: Deployments) -> DeploymentChange:
        before = self._deployments()
        self.revision += 1
        self.deployments, self.latest = [*after.known], after.latest
        return DeploymentChange(after != before, before.latest, after.latest)

    def _keep(self, gates: Gates, change: GateChange) -> GateChange:
        if len(gates) > MAX_GATES:
            raise LimitExceededError(
                f"there are {len(self.gates)} gates (limit {MAX_GATES}); open some, or close a wider one",
                limit="gates",
                maximum=MAX_GATES,
                found=len(self.gates),
                code=ErrorCode.TOO_MANY,
            )
        self.gates = [*gates]
        return change


def registry_stream() -> StreamId:
    """Return the stream of the registry."""
    return stream_of(service_name(Registry), REGISTRY_KEY)


def registry_target(handler_name: str) -> Target:
    """Return the target of a handler of the registry."""
    return Target(service_name(Registry), REGISTRY_KEY, handler_name)


def is_same_rule(one: NotificationRule, other: NotificationRule) -> bool:
    """Report whether both report the same changes to the same address, with the same note."""
    names = ("name", "url", "on", "service", "key", "handler", "tags", "note")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def unknown_notification(name: str) -> NotFoundError:
    """Return the error to raise for an unknown notification."""
    return NotFoundError(f"there is no notification {shown(name)}", kind=ResourceKind.NOTIFICATION)
