"""The backend of references and handles in a running handler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from actors.core.traces import linked
from actors.errors import ErrorCode, MisuseError
from actors.model.contexts import context_of
from actors.model.handles import InvocationHandle
from actors.model.tags import joined_tags
from actors.model.verbs.branches import branch_for, source_line
from actors.model.verbs.operations import AttachOperation, CallOperation, SendOperation, VerbOperation
from actors.model.verbs.scopes import fail_after
from actors.values import Codec, codec_for, decode_kept
from actors.values.outcomes import error_of, value_of
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import ControlResult
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.model.requests import Request
    from actors.model.verb_options import VerbOptions


class HandlerBackend:
    """The calls and verbs of a running handler."""

    async def call(self, request: Request) -> Any:
        if request.options.timeout is not None:
            with fail_after(request.options.timeout):
                return await self._call(request)
        return await self._call(request)

    async def _call(self, request: Request) -> Any:
        branch = branch_for("actor")
        context = context_of(branch)
        operation = CallOperation(
            branch,
            branch.following_step,
            asked=request,
            target=context.target_of(request),
            argument=request.encode_arguments(context.limits),
            tags=request.options.tags if context.tags is None else joined_tags(context.tags, request.options.tags),
            trace=context.trace,
            source=_source_of_await(),
        )
        completed: e.CallCompleted = await operation
        data = value_of(completed.outcome, operation.event.callee, deployment=context.deployment)
        return decode_kept(request.handler.signature.returns, data, request)

    async def send(self, request: Request) -> InvocationHandle[Any]:
        branch = branch_for("actor")
        context = context_of(branch)
        sent: e.SendScheduled = await SendOperation(
            branch,
            branch.following_step,
            asked=request,
            target=context.target_of(request),
            argument=request.encode_arguments(context.limits),
            tags=request.options.tags if context.tags is None else joined_tags(context.tags, request.options.tags),
            trace=None if context.trace is None else linked(context.trace),
            source=_source_of_await(),
        )
        return InvocationHandle(self, sent.callee, request.handler.signature.returns)

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        branch = branch_for("invocation")
        completed: e.CallCompleted = await AttachOperation(
            branch, branch.following_step, callee=of, source=_source_of_await()
        )
        data = value_of(completed.outcome, of, deployment=context_of(branch).deployment)
        return decode_kept(returns or codec_for(Any), data, f"the result of {of}")

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        from actors.core import commands as c
        from actors.model.verb_commands import check_value, with_successor
        from actors.model.verb_options import ResumeOptions

        # The verb is sent once, with the event that records it, so only the id of a restart needs an idempotency key.
        branch = branch_for("invocation")
        if isinstance(options, ResumeOptions) and options.moves_checked:
            raise MisuseError(
                f"resume(deployment={options.deployment!r}) first checks the history on that code, which a handler cannot; pass "
                "check=False, or resume it from a client",
                code=ErrorCode.OUTSIDE_HANDLER,
            )
        command: c.Command = options.command(of)
        check_value(command, context_of(branch).limits)
        command = with_successor(command, context_of(branch).unique, idempotency_key)
        answered: e.VerbAnswered = await VerbOperation(
            branch, branch.following_step, command=command, of=of, source=_source_of_await()
        )
        if answered.refusal is not None:
            raise error_of(answered.refusal, deployment=context_of(branch).deployment)
        if answered.answer is None:
            raise CorruptRecord(f"the verb at step {answered.step} has neither an answer nor a refusal")
        return answered.answer

    async def outcome(self, of: InvocationId) -> Any:
        raise MisuseError(
            "outcome() is for clients; in a handler await result(), which raises the error of another outcome",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    async def info(self, of: InvocationId) -> Any:
        raise MisuseError(
            "info() changes with time and would not replay; read it from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    async def check(self, of: InvocationId, deployment: str, code: Any) -> Any:
        raise MisuseError("check() reads code and history; use it from a client", code=ErrorCode.OUTSIDE_HANDLER)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> Any:
        raise MisuseError(
            "events() change with time and would not replay; read them from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> Any:
        raise MisuseError(
            "output() changes with time and would not replay; read it from a client",
            code=ErrorCode.OUTSIDE_HANDLER,
        )


def _source_of_await() -> str:
    """Return the line of the handler's own code that awaits: the first frame above that is not of this package."""
    depth = 1
    while sys._getframe(depth).f_globals.get("__name__", "").startswith(_OWN_MODULES):
        depth += 1
    return source_line(depth)


_OWN_MODULES = (
    "actors.model.verbs",
    "actors.model.handles",
    "actors.model.references",
    "actors.core.",
    "actors.system.lock_blocks",
    "contextlib",
)
