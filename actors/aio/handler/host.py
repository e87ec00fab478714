"""Runs asyncio code as part of a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar, TypeVarTuple

from actors.aio.handler.adaptations import adapt
from actors.aio.handler.agents import require_durable_agent
from actors.aio.handler.branches import TaskBranch
from actors.aio.handler.loop import HostedLoop
from actors.errors import ErrorCode, InvalidArgumentError, MisuseError
from actors.model.verbs.branches import branch_for
from actors.values.texts import shown

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


async def host(
    function: Callable[[*Ts], Awaitable[R]], /, *args: *Ts, threads: Literal["refuse", "inline"] = "refuse"
) -> R:
    """Run asyncio code in a handler, durably, and return its result.

    ``function`` runs in the main task of an event loop that lives in the handler. Its tasks may await steps, calls, signals and the
    other verbs of ``actors``, and all of asyncio that needs no I/O: ``sleep``, ``gather``, ``wait_for``, ``timeout``, ``TaskGroup``,
    queues, events and locks, and the task groups of anyio. Each wait is recorded and replayed like that of any handler: the process
    may stop meanwhile. A task that is cancelled during a step is resumed when the step has stopped. When the main task ends, the
    other tasks are cancelled and awaited, as by ``asyncio.run``. A cancel of the invocation, or of a scope around the call, cancels
    the main task with ``asyncio.CancelledError``; if it ends so, the original error is raised here.

    Sockets, subprocesses, signals and threads belong into steps. Asking for them raises :class:`MisuseError` with the code
    ``non_durable_await``, which also ends this call. With ``threads="inline"`` a function that the code gives to a thread is called
    at once in the handler instead: it runs again in each replay, so it must be short and have no effects. Tasks that wait only for
    a lock or an event of another invocation pause the invocation. A run of an agent of pydantic-ai or openai-agents that is not durable
    (``host(agent.run, …)``, ``host(Runner.run, agent, …)``) raises :class:`MisuseError` with the same code.

    ::

        async def main(topics: list[str]) -> list[str]:
            return await asyncio.gather(*(research(topic) for topic in topics))  # research is a step

        notes = await actors.aio.host(main, ["tides", "moons"])
    """
    branch = branch_for("aio.host")
    if threads not in ("refuse", "inline"):
        raise InvalidArgumentError(f"threads is {shown(threads)}, expected 'refuse' or 'inline'", path="threads")
    if isinstance(branch, TaskBranch):
        raise MisuseError(
            "actors.aio.host() in an asyncio task: an event loop runs here already. Await the function itself",
            code=ErrorCode.OUTSIDE_HANDLER,
        )
    require_durable_agent(function, args)
    error = branch.execution.due_at(branch)
    if error is not None:
        raise error
    adapt()
    loop = HostedLoop(branch, threads_inline=threads == "inline")  # type: ignore[abstract]  # the rest is set by name
    result: R = await loop.run(function, args)
    return result
