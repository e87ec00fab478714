"""The state of an attempt that the durable verbs and the steps use."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from actors.errors import NotFoundError, ResourceKind
from actors.model.definitions import NothingStored
from actors.model.keys import own_key
from actors.model.request_ids import debounced_id
from actors.replay.branches import Branch
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.ids import InvocationId, life_of
from journal.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.model.definitions import Definition, NameLookup
    from actors.model.inside import InsideClient
    from actors.model.link_signer import LinkSigner
    from actors.model.requests import Request
    from actors.values.limits import Limits


def unserved(service: str) -> Definition:
    """Raise the error for a class that is not served. The default lookup, for a handler whose app has no other class."""
    raise NotFoundError(f"no service {service!r} is served here", kind=ResourceKind.SERVICE)


@attrs.define(eq=False)
class HandlerContext:
    """The state of an attempt that the durable verbs use. ``name`` is the handler's; ``deployment`` is the deployment whose
    modules its code comes from, or empty for imported code. ``attempt`` is its number since a client
    last resumed the invocation. ``accepted_at`` is when it was accepted, and ``seed`` that of the invocation whose history it repeats, or
    empty. ``tags`` are those of the invocation, and ``trace`` is
    its own span; None if there are none. ``caller`` is the handler that awaits it, and ``chain`` are all callers, the nearest last. ``links`` makes the links of its questions, and ``questions`` are those without an answer."""

    invocation_id: InvocationId
    service: str
    key: str | None
    name: str
    accepted_at: float
    seed: str
    limits: Limits
    retry: RetryPolicy
    unique: Callable[[], int]
    new_id: Callable[[str, str | None], InvocationId]
    stored: NameLookup = attrs.field(factory=NothingStored)
    secret: str = ""
    deployment: str = ""
    attempt: int = 1
    caller: e.Caller | None = None
    chain: Sequence[e.Link] = ()
    tags: dict[str, str] | None = None
    trace: e.TraceContext | None = None
    links: LinkSigner | None = None
    questions: frozenset[str] = frozenset()
    find: Callable[[str], Definition] = unserved
    """Finds a served class by name. Raises :class:`actors.NotFoundError`."""

    @property
    def life(self) -> str:
        """A name of this invocation that no other has, also if it has the id of one that was purged."""
        return life_of(self.invocation_id, self.accepted_at)

    def target_of(self, request: Request) -> e.Target:
        """Return the target of a call or a send with its stored name."""
        definition = request.definition
        return definition.resolved(request.target, self.stored) if definition.aliases else request.target

    def id_of(self, request: Request, target: e.Target) -> InvocationId:
        """Return the id of the invocation that the request makes, or made under its idempotency key."""
        if request.options.debounce is not None:
            return debounced_id(target, own_key(request.options.debounce), self.unique(), self.secret)
        if request.request_key is None:
            return self.new_id(target.service, target.key)
        secret = "" if request.is_once else self.secret
        return request.definition.request_id(target, request.request_key, secret, self.stored)


class StepSurroundings(Protocol):
    """The parts of the engine that a running step can reach."""

    name: str
    number: int

    @property
    def step_key(self) -> str: ...

    @property
    def handler(self) -> HandlerContext: ...

    @property
    def client(self) -> InsideClient: ...

    def emit(self, piece: Piece) -> None: ...

    def set_attributes(self, attributes: dict[str, Any]) -> None: ...

    last_heartbeat: bytes

    def heartbeat(self, details: bytes) -> None: ...

    def spend(self, spent: dict[str, str]) -> None: ...


current_step: ContextVar[StepSurroundings | None] = ContextVar("current_step", default=None)
"""Set in the task or thread of a running step."""


def context_of(branch: Branch) -> HandlerContext:
    """Return the context of the attempt that the branch belongs to."""
    context: HandlerContext = branch.execution.context
    return context
