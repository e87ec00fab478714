"""Refuses to host an agent of a framework that nothing makes durable: a replay would repeat its model requests and tool calls.

Only what is given to :func:`actors.aio.host` is seen. No framework tells of the agents that run in other code.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, MisuseError
from actors.model.user_lines import line_within
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def require_durable_agent(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Raise :class:`MisuseError` if the function is a run of an agent of pydantic-ai, or of openai-agents, that is not durable."""
    asked: Any = function
    if isinstance(asked, partial):
        asked, args = asked.func, (*asked.args, *args)
    runner = getattr(asked, "__self__", None)
    if _is_of(type(runner), "pydantic_ai.agent"):
        parts = _capabilities(getattr(runner, "root_capability", None))
        if not any(_is_ours(part, "pydantic_ai") for part in parts):
            raise _repeats(runner, "capabilities=[PlayheadDurability()]", "pydantic_ai")
        return
    runs_agent = isinstance(runner, type) and _is_of(runner, "agents.run") and args
    if runs_agent and _is_of(type(args[0]), "agents.agent") and not _is_ours(args[0].model, "openai_agents"):
        raise _repeats(args[0], "durable(agent)", "openai_agents")


def _repeats(agent: Any, remedy: str, integration: str) -> MisuseError:
    where = line_within()
    return MisuseError(
        f"{where}{': ' if where else ''}agent {shown(getattr(agent, 'name', None))} runs in a handler and is not durable, so each replay "
        f"would repeat its model requests and tool calls. Make it durable: {remedy}, from actors.integrations.{integration}",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def _is_of(kind: type, package: str) -> bool:
    """Report whether a class is of this package or module, or derives from one that is."""
    return any(f"{base.__module__}.".startswith(f"{package}.") for base in kind.__mro__)


def _is_ours(part: object, integration: str) -> bool:
    return _is_of(type(part), f"actors.integrations.{integration}")


def _capabilities(root: Any) -> Iterator[Any]:
    """Yield the capabilities of an agent, also those that another one combines."""
    yield root
    for part in getattr(root, "capabilities", ()):
        yield from _capabilities(part)
