"""The columns of SQL and the stored rows: what is read is what was written."""

from __future__ import annotations

import attrs
import msgspec

from actors.query.sql.invocations import Row, row_with
from journal.rows import InvocationRow, decode_row, encode_row
from tests.sql.kept import row


def test_a_query_reads_the_fields_of_a_row_in_the_order_in_which_they_are_stored() -> None:
    stored = [field.name for field in msgspec.structs.fields(InvocationRow)]
    assert [field.name for field in msgspec.structs.fields(Row)] == stored
    whole = row(1, scheduled_for=5.0, request="key", argument_digest=b"d", step_tries=3, deployment="dep_1")
    for name in stored:
        read = decode_row(row_with(frozenset([name])), encode_row(whole))
        if name not in {"argument_digest", "applied_requests", "successors"}:
            found, expected = getattr(read, name), getattr(whole, name)
            assert str(getattr(expected, "value", expected)) == str(found) or attrs.has(type(expected)), name
