"""Runs a node of a graph as a step, and waits for a signal where the node interrupts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import attrs
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._constants import CONFIG_KEY_SCRATCHPAD, CONFIG_KEY_SEND
from langgraph.errors import GraphInterrupt, is_invalid_resume
from pydantic_core import to_jsonable_python

from actors.aio.handler.branches import TaskBranch
from actors.errors import TerminalError
from actors.integrations.langgraph.stored import restored, stored
from actors.model.verbs.attributes import describe_step
from actors.model.verbs.output import emit
from actors.model.verbs.signals import signal
from actors.model.verbs.spending import spend_tokens
from actors.model.verbs.steps import run
from actors.replay.branches import current_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy


def in_hosted_code() -> bool:
    """Report whether the caller runs in a handler, in asyncio code. Elsewhere graphs run as without playhead."""
    return isinstance(current_branch.get(), TaskBranch)


@attrs.frozen
class NodeOptions:
    """How the nodes of a graph run: as steps, except those that ``in_handler`` names."""

    in_handler: frozenset[str]
    retry: RetryPolicy | None
    timeout: Seconds | None
    serde: SerializerProtocol


class DurableNode(Runnable[Any, Any]):
    """Runs the body of a node as a step, again with each answer to its interrupts."""

    def __init__(self, name: str, bound: Runnable[Any, Any], options: NodeOptions) -> None:
        self.name = self._node = name
        self.bound = bound
        self._options = options

    def invoke(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> Any:  # the name is langchain's
        return self.bound.invoke(input, config, **options)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:
        if not in_hosted_code() or config is None:
            return await self.bound.ainvoke(input, config, **options)
        answers: list[Any] = []
        while True:
            outcome = await self._outcome(input, config, options, answers)
            if "output" in outcome:
                return outcome["output"]
            if "refused" in outcome:
                answers.pop()
            emit({"node": self._node, **outcome})
            answers.append(await signal(self._node))

    async def _outcome(self, input: Any, config: RunnableConfig, options: dict[str, Any], answers: list[Any]) -> Any:
        """Return the output of the node, the question that it asks, or the reason why it refuses the last answer."""
        serde = self._options.serde

        async def body() -> dict[str, Any]:
            within, asked = _with_answers(config, answers)
            token = var_child_runnable_config.set(within)
            try:
                return {"output": await self.bound.ainvoke(input, within, **options)}
            except GraphInterrupt as interrupt:
                if asked() <= len(answers):
                    raise TerminalError(
                        f"node {self._node!r} calls a graph that interrupts, which cannot be answered. Add that graph as a node, or name "
                        f"the node in durable(in_handler=[{self._node!r}])"
                    ) from interrupt
                values = [one.value for one in interrupt.args[0]]
                return {"interrupt": to_jsonable_python(values[0], fallback=str)}
            except ValueError as error:
                if not is_invalid_resume(error):
                    raise
                return {"refused": str(error)}
            finally:
                var_child_runnable_config.reset(token)

        async def step() -> Any:
            outcome = await body()
            output = outcome.get("output")
            usage = _usage(output)
            describe_step({"langgraph.node": self._node, **usage})
            spend_tokens(usage.get("gen_ai.usage.input_tokens"), usage.get("gen_ai.usage.output_tokens"))
            return {**outcome, "output": stored(serde, output)} if "output" in outcome else outcome

        if self._node in self._options.in_handler:
            return await body()
        outcome = await run(
            step,
            name=self._node,
            retry=self._options.retry,
            timeout=self._options.timeout,
            loop="asyncio",
            result_type=Any,
        )
        return {"output": restored(serde, outcome["output"])} if "output" in outcome else outcome


def _with_answers(config: RunnableConfig, answers: Sequence[Any]) -> tuple[RunnableConfig, Callable[[], int]]:
    """Return the config with which ``interrupt`` returns these answers and raises after them, and the number of its calls so far."""
    names = dict(config.get("configurable", {}))
    calls = 0

    def interrupt_counter() -> int:
        nonlocal calls
        calls += 1
        return calls - 1

    names[CONFIG_KEY_SCRATCHPAD] = replace(
        names[CONFIG_KEY_SCRATCHPAD],
        interrupt_counter=interrupt_counter,
        get_null_resume=lambda consume=False: None,
        resume=list(answers),
    )
    names[CONFIG_KEY_SEND] = lambda writes: (
        None
    )  # it would write the answers to a checkpoint; they are recorded as signals
    return {**config, "configurable": names}, lambda: calls


def _usage(output: Any) -> dict[str, Any]:
    """Return the attributes of the messages of models in the output of a node."""
    attributes: dict[str, Any] = {}
    for message in _messages(output):
        usage = getattr(message, "usage_metadata", None)
        if usage:
            for name in ("input_tokens", "output_tokens"):
                key = f"gen_ai.usage.{name}"
                attributes[key] = attributes.get(key, 0) + usage.get(name, 0)
        model = getattr(message, "response_metadata", {}).get("model_name")
        if isinstance(model, str) and model:
            attributes["gen_ai.response.model"] = model
    return attributes


def _messages(output: Any) -> Iterator[Any]:
    if isinstance(output, BaseMessage):
        yield output
    elif isinstance(output, dict):
        for value in output.values():
            yield from _messages(value)
    elif isinstance(output, list):
        for value in output:
            yield from _messages(value)
