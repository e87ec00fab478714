"""The tools that an assistant is offered: four that read, and five verbs, each with the options that it has everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import attrs
import msgspec

from actors.core.jobs import JobVerb
from actors.errors import InvalidArgumentError
from actors.http.requests import IdText, InvocationsQuery
from actors.integrations.mcp.answers import first_of
from actors.model.explain import reasons
from actors.model.listing import cursor_after
from actors.model.tags import tags_of_pairs
from actors.model.verb_options import OPTIONS_OF
from actors.model.verb_options_json import parse_options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from actors.control.client import Client
    from actors.model.info import InvocationInfo

MAX_EVENTS = 200
"""The largest number of events of one answer."""


@attrs.frozen(kw_only=True)
class OneQuery:
    """Names an invocation."""

    invocation_id: Annotated[IdText, msgspec.Meta(description="The id of the invocation, as the tool list gives it.")]


@attrs.frozen(kw_only=True)
class PageQuery(OneQuery):
    """Which events of an invocation: at most ``limit`` of those after ``after``."""

    after: Annotated[int, msgspec.Meta(ge=0, description="Only events after this number.")] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_EVENTS)] = 50


@attrs.frozen(kw_only=True)
class ControlTool:
    """A tool: what an assistant reads of it, and what carries out a call with these arguments. ``changes``: it changes something."""

    name: str
    description: str
    schema: dict[str, Any]
    run: Callable[[Client, dict[str, Any]], Awaitable[dict[str, Any]]]
    changes: bool = False


async def _list(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    query: InvocationsQuery = _parsed(arguments, InvocationsQuery)
    found = await client.invocations(
        status=query.status or None,
        service=query.service,
        key=query.key,
        handler=query.handler,
        where=query.where,
        tags=tags_of_pairs(query.tag, "tag"),
        limit=query.limit,
        after=query.after,
        system=query.system,
    )
    rows = first_of(map(_summary, found))
    following = found.next
    if len(rows) < len(found):  # cut by the size of the answer
        last = found[len(rows) - 1]
        following = cursor_after((last.created_at, last.id))
    return {"invocations": rows, "next": following}


def _summary(info: InvocationInfo) -> dict[str, Any]:
    """Return the row of an invocation in a list, without empty values."""
    outcome, failure = info.outcome, info.last_failure
    row = {
        "id": info.id,
        "target": str(info.target),
        "status": info.status.value,
        "phase": info.phase,
        "created_at": info.created_at,
        "completed_at": info.completed_at,
        "outcome": None if outcome is None else outcome.kind.value,
        "last_failure": None if failure is None else f"{failure.type}: {failure.message}",
        "pause_reason": info.pause_reason,
        "status_text": info.status_text,
        "tags": info.tags,
    }
    return {name: value for name, value in row.items() if value not in (None, "", {})}


async def _describe(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    query: OneQuery = _parsed(arguments, OneQuery)
    return {"invocation": msgspec.to_builtins(await client.invocation(query.invocation_id).info())}


async def _why(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    query: OneQuery = _parsed(arguments, OneQuery)
    info = await client.invocation(query.invocation_id).info()
    return {"status": info.status.value, "reasons": msgspec.to_builtins(reasons(info))}


async def _events(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    query: PageQuery = _parsed(arguments, PageQuery)
    found: list[Any] = []
    async for entry in client.invocation(query.invocation_id).events(after=query.after):
        found.append(msgspec.to_builtins(entry))
        if len(found) > query.limit:
            break
    shown = first_of(found[: query.limit])
    return {"events": shown, "next": None if len(shown) == len(found) else found[len(shown) - 1]["number"]}


def _parsed(arguments: dict[str, Any], kind: Any) -> Any:
    """Read the arguments of a tool that reads. Raises :class:`actors.InvalidArgumentError`."""
    _refuse_unknown(arguments, [field.name for field in attrs.fields(kind)])
    try:
        return msgspec.convert(arguments, kind)
    except msgspec.ValidationError as error:
        raise InvalidArgumentError(f"the arguments of the tool: {error}", path="$") from error


def _refuse_unknown(arguments: dict[str, Any], known: Collection[str]) -> None:
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"there is no argument {unknown[0][:80]!r}; expected {', '.join(known)}", path=f"$.{unknown[0][:80]}"
        )


def _verb(verb: JobVerb, description: str) -> ControlTool:
    async def execute(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
        _refuse_unknown(arguments, schema["properties"])
        options = dict(arguments)
        query: OneQuery = _parsed({name: options.pop(name) for name in one["properties"] if name in options}, OneQuery)
        answer = await client.execute(client.invocation(query.invocation_id).id, parse_options(verb, options))
        answered: dict[str, Any] = msgspec.to_builtins(answer)
        return answered

    schema = _schema(OPTIONS_OF[verb])
    schema["properties"].pop("json_loses", None)  # the types of Python; an assistant sends JSON
    one = _schema(OneQuery)
    schema["properties"] = one["properties"] | schema["properties"]
    schema["required"] = one["required"] + schema.get("required", [])
    return ControlTool(name=verb.value, description=description, schema=schema, run=execute, changes=True)


def _schema(kind: type) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own: dict[str, Any] = definitions.pop(reference["$ref"].rpartition("/")[2])
    plain = {"type": "object", "properties": own["properties"], "required": own.get("required", [])}
    if definitions:
        plain["$defs"] = definitions
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode({**plain, "additionalProperties": False}))
    return schema


TOOLS: tuple[ControlTool, ...] = (
    ControlTool(
        name="list",
        description="List invocations, newest first. 'where' is an SQL condition such as \"last_error_type like '%Timeout%'\". If 'next' "
        "is not null, there are more: it is the value of 'after' for the next page.",
        schema=_schema(InvocationsQuery),
        run=_list,
    ),
    ControlTool(
        name="describe",
        description="Show the details of one invocation: its status, waits, failures, outcome and tags.",
        schema=_schema(OneQuery),
        run=_describe,
    ),
    ControlTool(
        name="why",
        description="Explain what an invocation waits for, until when, and who caused it.",
        schema=_schema(OneQuery),
        run=_why,
    ),
    ControlTool(
        name="events",
        description="Show the history of an invocation: its steps, calls, signals, failures and verbs, with their values. If 'next' is "
        "not null, there are more: it is the value of 'after' for the next page.",
        schema=_schema(PageQuery),
        run=_events,
    ),
    _verb(JobVerb.CANCEL, "Cancel an invocation. It runs its compensations and ends."),
    _verb(JobVerb.PAUSE, "Pause an invocation where it is, until it is resumed."),
    _verb(JobVerb.RESUME, "Resume a paused invocation where it stopped, or retry now one that is backing off."),
    _verb(
        JobVerb.RESTART,
        "Restart an invocation as a new one, from the beginning or from a step; the steps before it are kept. With dry_run, report "
        "what would be kept and change nothing.",
    ),
    _verb(JobVerb.SIGNAL, "Send a named value to an invocation, which waits for it or will do so."),
)
"""All tools, the verbs last."""
