"""A field of a public record, declared once, is in the JSON schema and in the columns of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import attrs
import msgspec
import pytest

from actors.model.deployment_info import DeploymentInfo
from actors.model.gate_info import GateInfo
from actors.model.info import InvocationInfo
from actors.query.audit import AuditEntry
from actors.query.sql.audit import AUDITS
from actors.query.sql.deployments import DEPLOYMENTS
from actors.query.sql.gates import GATES
from actors.query.sql.invocations import INVOCATIONS
from actors.query.sql.records import column_of, columns_of
from journal.errors import BrokenInvariant
from journal.fields import described, moment
from journal.rows import AuditRow

if TYPE_CHECKING:
    from actors.query.sql.columns import AnyTable

SAID_OTHERWISE = {"before": "status_before", "after": "status_after"}
"""Fields whose columns have other names."""

IN_PARTS = {
    "target": {"target", "service", "key", "handler"},
    "outcome": {"outcome", "outcome_reason", "value", "last_error", "last_error_type"},
    "last_failure": {"last_error", "last_error_type"},
    "caller": {"caller_id", "caller_step"},
    "restarts": {"restarted_from", "restarted_at_step"},
    "waits": {"awaited_signal", "awaited_since"},
}
"""Fields of an invocation that are records themselves, and the columns that show them."""

NOT_STORED = {
    *("phase", "gate", "circle", "key_wait", "limit_wait", "waits_for", "successors"),  # follow from other rows
    *("max_attempts", "retry_at", "paused_by", "paused_at"),  # in the object's state
    *("code_wait", "abandoned_steps", "unwinding"),  # known to the process that runs it
    *("requests", "first_event", "last_event"),  # sys_journal and sys_audit have them
    *("is_served", "is_loaded"),  # of a deployment, known to the process that runs it
}
"""Fields that no column shows."""

TABLES = ((INVOCATIONS, InvocationInfo), (AUDITS, AuditEntry), (DEPLOYMENTS, DeploymentInfo), (GATES, GateInfo))

every_table = pytest.mark.parametrize(("table", "record"), TABLES, ids=lambda one: getattr(one, "name", None))


def described_in_json(record: type) -> dict[str, str]:
    """The descriptions that the JSON schema of the record shows."""
    (schema,), components = msgspec.json.schema_components([record])
    own: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
    return {name: field["description"] for name, field in own["properties"].items() if "description" in field}


@every_table
def test_each_field_of_a_record_is_a_column_or_has_its_reason(table: AnyTable, record: type) -> None:
    columns = {column.name for column in table.columns}
    parts = IN_PARTS if record is InvocationInfo else {}
    shown = {field.name: {SAID_OTHERWISE.get(field.name, field.name)} for field in attrs.fields(record)} | parts
    assert {name for name, its in shown.items() if not its <= columns} <= NOT_STORED


@every_table
def test_a_column_and_the_json_schema_describe_a_field_alike(table: AnyTable, record: type) -> None:
    about = {column.name: column.about.removesuffix(": 1 or 0") for column in table.columns}
    told = described_in_json(record)
    assert told
    assert told == {name: about[SAID_OTHERWISE.get(name, name)] for name in told}


@attrs.frozen(kw_only=True)
class LongerRow(AuditRow):
    """A row with three more fields."""

    channel: Annotated[str, described("over which channel")] = ""
    seen_at: Annotated[float | None, moment("when it was seen")] = None
    witnesses: Annotated[tuple[str, ...], described("who saw it")] = ()


@attrs.frozen
class Entry:
    row: LongerRow


def test_a_new_field_is_in_the_columns_and_in_the_json() -> None:
    row = LongerRow(
        number=1, at=2.0, by="ada", source="process", verb="kill", target="inv", changed=True, witnesses=("bob",)
    )
    columns = {column.name: column for column in columns_of(LongerRow, "row")}
    values = {name: column.value(Entry(row), None) for name, column in columns.items()}
    assert values["changed"] == 1
    assert (values["channel"], values["seen_at"], values["witnesses"]) == (None, None, '["bob"]')
    assert [columns[name].type.value for name in ("channel", "seen_at", "witnesses")] == ["TEXT", "TIME", "JSON"]
    assert described_in_json(LongerRow)["seen_at"] == columns["seen_at"].about == "when it was seen"


def test_a_field_without_a_description_is_no_column() -> None:
    with pytest.raises(BrokenInvariant):
        column_of(InvocationInfo, "phase", "phase")
