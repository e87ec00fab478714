"""A text in the store that is no UTF-8 any more is damage like any other: an error with a type says so, and none of Python's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.core import commands as c
from actors.core.snapshots import decode_snapshot, encode_snapshot
from actors.core.state import ObjectState
from journal.errors import JournalError, StoreDamaged
from journal.events import Kind
from journal.ids import InvocationId, StreamId
from journal.kv.data_directory import DataDirectory
from journal.log.inbox import decode_message, encode_message
from journal.log.protocol import Message
from journal.rows import FIRST_LINK, FORMAT, AuditRow, StoreIdentity, decode_audit, encode_audit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_UTF8 = 0xE4
"""Begins a character of three bytes."""

ROW = AuditRow(number=1, at=0.0, by="user:alice", source="process", verb="kill", target="inv_1", reason="enough of it")
STATE = ObjectState(service="Account", key="alice", kind=Kind.ACTOR, version=3, fields={"balance": b"1"})
COMMAND = c.KillInvocation(invocation_id=InvocationId("inv_1"), reason="enough of it")

STORED: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "a row": (encode_audit(ROW, FIRST_LINK)[0], decode_audit),
    "a letter": (encode_message(Message("a letter", StreamId(1), b"")), decode_message),
    "a command": (c.encode_command(COMMAND, cause="the cause", by="user:alice"), c.decode_command),
    "a snapshot": (encode_snapshot(STATE), partial(decode_snapshot, StreamId(1), 3)),
}


@pytest.mark.parametrize("name", STORED)
def test_a_text_that_is_no_text_is_damage(name: str) -> None:
    data, decode = STORED[name]
    refused = 0
    for at in range(len(data)):
        try:
            decode(data[:at] + bytes([NO_UTF8]) + data[at + 1 :])
        except JournalError:
            refused += 1
    assert refused >= 10


def test_an_identity_that_is_no_text_is_damage(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data").hold()
    directory.create(StoreIdentity(format=FORMAT, store_id="one", secret="one", partitions=1, created_at=0.0))
    directory.release()
    path = tmp_path / "data" / "STORE"
    data = path.read_bytes()
    for at in range(len(data.rstrip())):
        path.write_bytes(data[:at] + bytes([NO_UTF8]) + data[at + 1 :])
        with pytest.raises(StoreDamaged):
            DataDirectory(tmp_path / "data").identity()
