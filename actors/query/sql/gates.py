"""``sys_gate``: one row for each closed gate and each exception to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.gate_info import GateInfo, gate_info
from actors.query.sql.columns import Path, Table, Wanted
from actors.query.sql.records import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[GateInfo]:
    return map(gate_info, snapshot.gates())


GATES = Table[GateInfo](
    name="sys_gate",
    about="One row for each closed gate, and for each exception to one, whose state is open.",
    columns=columns_of(GateInfo),
    paths=(Path(name="every", scan=_every, cost=20),),
)
