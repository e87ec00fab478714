"""What verbs and steps need of the attempt that they run in."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

import attrs

from actors.model.definitions import NothingStored
from actors.model.new_ids import new_id
from actors.replay.branches import Branch
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    from actors.model.definitions import NameLookup
    from actors.model.inside import InsideClient
    from actors.model.requests import Request
    from actors.values.limits import Limits


@attrs.define(eq=False)
class HandlerContext:
    """What the verbs need of the attempt that they run in. ``name`` is the handler's; ``deployment``: whose modules its code is, if not
    the imported."""

    invocation_id: InvocationId
    service: str
    key: str | None
    name: str
    seed: str
    limits: Limits
    retry: RetryPolicy
    unique: Callable[[], int]
    stored: NameLookup = attrs.field(factory=NothingStored)
    secret: str = ""
    deployment: str = ""
    ended_steps: frozenset[StepId] = frozenset()
    """Those of the history that is replayed, so that they do not run."""

    def target_of(self, request: Request) -> e.Target:
        """What a handler calls or sends to, by the name that it is kept under."""
        definition = request.definition
        return definition.resolved(request.target, self.stored) if definition.aliases else request.target

    def id_of(self, request: Request, target: e.Target) -> InvocationId:
        """The id of the invocation."""
        if request.request_key is None:
            return new_id(target, None, self.unique())
        secret = "" if request.is_once else self.secret
        return request.definition.request_id(target, request.request_key, secret, self.stored)


class StepSurroundings(Protocol):
    """What a running step can reach of the engine."""

    name: str

    @property
    def key(self) -> str: ...

    @property
    def handler(self) -> HandlerContext: ...

    @property
    def client(self) -> InsideClient: ...

    def emit(self, value: bytes) -> None: ...


current_step: ContextVar[StepSurroundings | None] = ContextVar("current_step", default=None)
"""Set in the task, or thread, of a running step."""


def context_of(branch: Branch) -> HandlerContext:
    """What the verbs need of the attempt that the branch belongs to."""
    context: HandlerContext = branch.execution.context
    return context
