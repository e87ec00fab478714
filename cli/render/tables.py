"""The tables of lists: their columns, and the text of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.limits import written_rate
from actors.model.tags import pairs_of_tags
from actors.values.amounts import grouped
from actors.values.texts import failure_in_words
from cli.render.deployments import code_of, state_of
from cli.render.output import ago, when
from cli.render.text_table import TextColumn, TextTable, value_as_json
from cli.targets import written_object, written_target

if TYPE_CHECKING:
    from actors.http.server.token_routes import TokenInfo
    from actors.model.deployment_info import DeploymentInfo
    from actors.model.gate_info import GateInfo
    from actors.model.info import InvocationInfo
    from actors.model.job_info import JobInfo, JobItem
    from actors.model.limit_info import LimitInfo
    from actors.model.object_info import FieldChange, ItemInfo, ObjectName
    from actors.model.service_info import HandlerInfo, ServiceInfo
    from actors.query.audit import AuditEntry


def status_of(info: InvocationInfo) -> str:
    """Return the outcome of a completed invocation, else its status with a pending cancel or pause."""
    if info.outcome is not None:
        return info.outcome.kind.value
    return f"{info.status.value} ({info.phase})" if info.phase else info.status.value


def note_of(info: InvocationInfo) -> str:
    """Return the most useful remark about an invocation."""
    if info.gate is not None:
        because = f": {info.gate.reason}" if info.gate.reason else ""
        return f"held by {info.gate.scope}{because}"
    if info.pause_reason:
        return info.pause_reason.partition("\n")[0]  # the rest is a traceback, which describe shows
    if info.outcome is not None:
        failure = info.outcome.failure
        return info.outcome.reason if failure is None else failure_in_words(failure)
    if info.last_failure is None or not info.failed_attempts:
        return info.status_text  # an error that a later try has survived says nothing of it now
    return failure_in_words(info.last_failure)


INVOCATIONS: TextTable[InvocationInfo] = TextTable(
    id_of=lambda info: info.id,
    columns=(
        TextColumn("ID", lambda info: info.id),
        TextColumn("TARGET", lambda info: written_target(info.target)),
        TextColumn("STATUS", status_of),
        TextColumn("CREATED", lambda info: ago(info.created_at)),
        TextColumn("CHANGED", lambda info: ago(info.modified_at), is_wide=True),
        TextColumn("FAILED", lambda info: str(info.failed_attempts), is_wide=True),
        TextColumn("BY", lambda info: info.created_by, is_wide=True),
        TextColumn("TAGS", lambda info: " ".join(pairs_of_tags(info.tags)), is_wide=True),
        TextColumn("DEPLOYMENT", lambda info: info.deployment, is_wide=True),
        TextColumn("NOTE", note_of),
    ),
)

JOBS: TextTable[JobInfo] = TextTable(
    id_of=lambda info: info.id,
    columns=(
        TextColumn("ID", lambda info: info.id),
        TextColumn("VERB", lambda info: info.verb.value),
        TextColumn("STATE", lambda info: info.state.value),
        TextColumn("DONE", lambda info: f"{info.done}/{info.total}"),
        TextColumn("REFUSED", lambda info: str(sum(info.refused.values()))),
        TextColumn("STARTED", lambda info: ago(info.started_at)),
        TextColumn("BY", lambda info: info.started_by, is_wide=True),
        TextColumn("WHICH", lambda info: info.which),
    ),
)

JOB_ITEMS: TextTable[JobItem] = TextTable(
    id_of=lambda item: item.id,
    columns=(
        TextColumn("ID", lambda item: item.id),
        TextColumn("RESULT", lambda item: item.result.value),
        TextColumn("BEFORE", lambda item: "" if item.before is None else item.before.value),
        TextColumn("AFTER", lambda item: "" if item.after is None else item.after.value),
        TextColumn("ERROR", lambda item: item.error),
        TextColumn("WHY", lambda item: item.reason),
    ),
)

GATES: TextTable[GateInfo] = TextTable(
    id_of=lambda gate: gate.scope,
    columns=(
        TextColumn("SCOPE", lambda gate: gate.scope),
        TextColumn("STATE", lambda gate: gate.state.value),
        TextColumn("MODE", lambda gate: gate.mode.value, is_wide=True),
        TextColumn("SINCE", lambda gate: when(gate.since)),
        TextColumn("BY", lambda gate: gate.by),
        TextColumn("REASON", lambda gate: gate.reason),
    ),
)


def _spent_in_words(limit: LimitInfo) -> str:
    budget = limit.budget or {}
    return ", ".join(f"{grouped(limit.spent.get(name, '0'))} of {grouped(of)} {name}" for name, of in budget.items())


LIMITS: TextTable[LimitInfo] = TextTable(
    id_of=lambda limit: limit.scope,
    columns=(
        TextColumn("SCOPE", lambda limit: limit.scope),
        TextColumn("CONCURRENCY", lambda limit: "" if limit.concurrency is None else str(limit.concurrency)),
        TextColumn("RATE", lambda limit: "" if limit.rate is None else written_rate(limit.rate, limit.period)),
        TextColumn("SPENT", _spent_in_words),
        TextColumn("RUNNING", lambda limit: str(limit.running)),
        TextColumn("WAITING", lambda limit: str(limit.waiting)),
        TextColumn("SINCE", lambda limit: when(limit.since), is_wide=True),
        TextColumn("BY", lambda limit: limit.by, is_wide=True),
        TextColumn("REASON", lambda limit: limit.reason),
    ),
)


def _audit_result(entry: AuditEntry) -> str:
    dropped = f" (and {entry.dropped} more before this one)" if entry.dropped else ""
    if entry.refusal:
        return f"refused: {entry.refusal}{dropped}"
    if not entry.before:
        return "done" if entry.changed else "unchanged"
    return f"{entry.before} -> {entry.after}" if entry.changed else f"unchanged ({entry.before})"


AUDIT_ENTRIES: TextTable[AuditEntry] = TextTable(
    id_of=lambda entry: entry.target,
    columns=(
        TextColumn("TIME", lambda entry: when(entry.at)),
        TextColumn("BY", lambda entry: entry.by),
        TextColumn("FROM", lambda entry: entry.source),
        TextColumn("VERB", lambda entry: f"{entry.verb} ({entry.detail})" if entry.detail else entry.verb),
        TextColumn("TARGET", lambda entry: entry.target),
        TextColumn("RESULT", _audit_result),
        TextColumn("REASON", lambda entry: entry.reason),
    ),
)


@attrs.frozen(kw_only=True)
class ContextInfo:
    """A context for display, without its token."""

    name: str
    url: str
    has_token: bool
    is_current: bool


CONTEXTS: TextTable[ContextInfo] = TextTable(
    id_of=lambda one: one.name,
    columns=(
        TextColumn("", lambda one: "*" if one.is_current else ""),
        TextColumn("NAME", lambda one: one.name),
        TextColumn("URL", lambda one: one.url),
        TextColumn("TOKEN", lambda one: "yes" if one.has_token else "no", is_wide=True),
    ),
)


DEPLOYMENTS: TextTable[DeploymentInfo] = TextTable(
    id_of=lambda deployment: deployment.id,
    columns=(
        TextColumn("ID", lambda deployment: deployment.id),
        TextColumn("STATE", state_of),
        TextColumn("OPEN", lambda deployment: str(deployment.open_invocations)),
        TextColumn("REGISTERED", lambda deployment: ago(deployment.registered_at)),
        TextColumn("BY", lambda deployment: deployment.registered_by, is_wide=True),
        TextColumn("LEFT", lambda deployment: deployment.passed_over, is_wide=True),
        TextColumn("CODE", code_of),
    ),
)


SERVICES: TextTable[ServiceInfo] = TextTable(
    id_of=lambda service: service.name,
    columns=(
        TextColumn("NAME", lambda service: service.name),
        TextColumn("KIND", lambda service: service.kind.value),
        TextColumn(
            "HANDLERS", lambda service: ", ".join(handler.name for handler in service.handlers) or _none(service)
        ),
        TextColumn("WHAT", lambda service: service.doc),
    ),
)


@attrs.frozen(kw_only=True)
class OfferedHandler:
    """A handler with the name of its class."""

    service: str
    handler: HandlerInfo


HANDLERS: TextTable[OfferedHandler] = TextTable(
    id_of=lambda one: f"{one.service}/{one.handler.name}",
    columns=(
        TextColumn("HANDLER", lambda one: f"{one.service}/{one.handler.name}"),
        TextColumn("MODE", lambda one: f"{one.handler.mode.value}{', private' if one.handler.private else ''}"),
        TextColumn("TAKES", lambda one: ", ".join(_taken(one.handler))),
        TextColumn("GIVES", lambda one: _named(one.handler.result)),
        TextColumn("WHAT", lambda one: one.handler.doc),
    ),
)


def _none(service: ServiceInfo) -> str:
    return "" if service.is_served else "(not served)"


def _taken(handler: HandlerInfo) -> list[str]:
    return [
        f"{name}: {_named(schema)}" if name in handler.required else f"[{name}: {_named(schema)}]"
        for name, schema in handler.parameters.items()
    ]


def _named(schema: Any) -> str:
    """Describe a JSON schema in a word or two."""
    match schema:
        case {"type": "array", "items": items}:
            return f"array of {_named(items)}"
        case {"type": str(kind)}:
            return kind
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"anyOf": [*several]}:
            return " or ".join(_named(one) for one in several)
        case {"enum": [*values]}:
            return " or ".join(map(str, values))
    return "any"


OBJECTS: TextTable[ObjectName] = TextTable(
    id_of=lambda one: written_object(one.service, one.key),
    columns=(TextColumn("OBJECT", lambda one: written_object(one.service, one.key)),),
)
ITEMS: TextTable[ItemInfo] = TextTable(
    id_of=lambda one: one.item,
    columns=(
        TextColumn("ITEM", lambda one: one.item),
        TextColumn("VALUE", lambda one: value_as_json(one.value)),
    ),
)
CHANGES: TextTable[FieldChange] = TextTable(
    id_of=lambda change: str(change.number),
    columns=(
        TextColumn("EVENT", lambda change: str(change.number)),
        TextColumn("TIME", lambda change: when(change.at)),
        TextColumn("BY", lambda change: change.by),
        TextColumn("INVOCATION", lambda change: change.invocation_id, is_wide=True),
        TextColumn("ITEM", lambda change: change.item),
        TextColumn("VALUE", lambda change: value_as_json(change.value)),
    ),
)


TOKENS: TextTable[TokenInfo] = TextTable(
    id_of=lambda token: token.name,
    columns=(
        TextColumn("NAME", lambda token: token.name),
        TextColumn("SCOPE", lambda token: token.scope.value),
        TextColumn("CREATED", lambda token: when(token.created_at)),
    ),
)
