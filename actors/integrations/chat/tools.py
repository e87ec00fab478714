"""Tools: functions that a model may call. Each call is a step of the handler."""

from __future__ import annotations

import abc
import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import msgspec

from actors.errors import InvalidArgumentError, UnserializableError
from actors.integrations.chat.errors import ToolError
from actors.integrations.chat.records import describe_tool
from actors.model.step_options import Redactor, StepOptions, step_options
from actors.model.verbs.branches import source_line
from actors.model.verbs.step_requests import definition_of, run_step
from actors.model.verbs.steps import Step, is_async
from actors.values import ValueProblem
from actors.values.arguments import checked_seconds, is_a
from actors.values.loops import EventLoop
from actors.values.retries import RetryPolicy
from actors.values.signature import Signature
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.values.arguments import Seconds

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The names of tools that the protocols allow."""


class ModelTool(abc.ABC):
    """A tool for a loop: its description for the model, and the function that carries out a call."""

    name: str
    description: str

    @property
    @abc.abstractmethod
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""

    @abc.abstractmethod
    async def call(self, call_id: str, arguments: bytes) -> ToolResult:
        """Carry out a call of the model in the running handler. ``arguments`` are the model's arguments, a JSON object."""


class Tool(ModelTool):
    """A function that a model may call, with the options of its step.

    Its parameters and their types are the schema that the model is given, its docstring the description. The call is a step named
    ``tool NAME``; a plain function runs in a thread. ``retry`` and ``timeout`` are as for :func:`actors.step`, as is ``loop``. With ``in_handler``
    the function runs in the handler itself and may use durable verbs, for example wait for a signal.

    An error is retried by ``retry``. A :class:`ToolError` is given to the model instead.

    ::

        Tool(ask_a_person, in_handler=True)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: Seconds | None = None,
        loop: Literal["trio", "asyncio"] = "trio",
        in_handler: bool = False,
        redact: Sequence[str] | Redactor = (),
    ) -> None:
        declared = function.options if is_a(function, Step) else StepOptions()
        added = step_options(redact=redact)
        self.function: Callable[..., Any] = function.function if is_a(function, Step) else function
        chosen = name or getattr(function, "__name__", "")
        if not is_a(chosen, str) or _NAME.fullmatch(chosen) is None:
            raise InvalidArgumentError(
                f"a tool is named {shown(chosen)}; expected 1 to 64 characters of a-z, A-Z, 0-9, '_' and '-'",
                path="name",
            )
        self.name = chosen
        self.description = description or inspect.getdoc(self.function) or ""
        self.signature = Signature(self.function, skip_first=False, name=f"the tool {self.name!r}")
        self._in_handler = in_handler
        self._options = attrs.evolve(
            declared,
            retry=retry or declared.retry,
            timeout=declared.timeout if timeout is None else checked_seconds(timeout, "timeout"),
            loop=EventLoop.ASYNCIO if loop == "asyncio" else declared.loop,
            redact=(*declared.redact, *added.redact),
            redactors=(*declared.redactors, *added.redactors),
        )

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its parameters."""
        properties, definitions = dict[str, Any](), dict[str, Any]()
        for name, codec in self.signature.parameters.items():
            properties[name] = msgspec.json.decode(codec.schema)
            definitions |= properties[name].pop("$defs", {})
        schema: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "required": list(self.signature.required),
            "additionalProperties": False,
        }
        return schema if not definitions else {**schema, "$defs": definitions}

    async def call(self, call_id: str, arguments: bytes) -> ToolResult:
        """Carry out a call as a step, or in the handler."""
        try:
            given = self.signature.arguments(arguments, "")
        except ValueProblem as problem:
            return ToolResult(call_id, f"the arguments are wrong: {problem.path}: {problem.problem}", is_error=True)
        try:
            value = await (self.function(**given) if self._in_handler else self._step(call_id, given))
        except ToolError as error:
            return ToolResult(call_id, str(error), is_error=True)
        return ToolResult(call_id, value if is_a(value, str) else self._encoded(value))

    def _encoded(self, value: Any) -> str:
        try:
            return self.signature.returns.encode(value).decode()
        except ValueProblem as error:
            raise UnserializableError(
                f"the result of the tool {self.name!r}: {error.path}: {error.problem}", path=error.path
            ) from error

    def _step(self, call_id: str, given: dict[str, Any]) -> Any:
        function, name = self.function, f"tool {self.name}"

        @functools.wraps(function)
        async def in_task(**kwargs: Any) -> Any:
            describe_tool(self.name, call_id)
            return await function(**kwargs)

        @functools.wraps(function)
        def in_thread(**kwargs: Any) -> Any:
            describe_tool(self.name, call_id)
            return function(**kwargs)

        body = in_task if is_async(function) else in_thread
        definition = definition_of(body, self._options, name, lambda: self.signature.returns)
        return run_step(definition, (), given, source_line(1))


@attrs.frozen
class ToolResult:
    """The result of a call for the model: a text, which may be JSON, or an error."""

    call_id: str
    text: str
    is_error: bool = attrs.field(default=False, kw_only=True)


ToolLike: TypeAlias = Callable[..., Any] | ModelTool
"""A function, a step, a :class:`Tool`, or a tool of a server of MCP."""


def tools_by_name(tools: Iterable[ToolLike]) -> dict[str, ModelTool]:
    """Return the tools by their names. Raises :class:`actors.InvalidArgumentError` if two have the same, and
    :class:`actors.DefinitionError` for parameters that cannot be read from JSON."""
    found: dict[str, ModelTool] = {}
    for given in tools:
        tool = given if isinstance(given, ModelTool) else Tool(given)
        if tool.name in found:
            raise InvalidArgumentError(
                f"two tools are named {tool.name!r}; give one of them another name", path="tools"
            )
        found[tool.name] = tool
    return found
