"""``sys_deployment``: one row for each registered deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from journal import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.deployments import Deployment
    from actors.query.snapshot import JournalSnapshot


@attrs.frozen
class _Registered:
    deployment: Deployment
    is_latest: bool


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_Registered]:
    registered = snapshot.deployments()
    for deployment in registered.known:
        yield _Registered(deployment, deployment.id == registered.latest)


def _open_invocations(row: _Registered, snapshot: JournalSnapshot) -> int:
    return sum(
        1
        for partition in range(snapshot.partitions)
        for _ in snapshot.rows_under(keys.pinned_prefix(partition, row.deployment.id))
    )


DEPLOYMENTS = Table[_Registered](
    name="sys_deployment",
    about="One row for each deployment that is registered, in the order in which they were.",
    columns=(
        Column("id", Type.TEXT, "the deployment", lambda row, _: row.deployment.id),
        Column(
            "entries",
            Type.JSON,
            "an array of the modules that it begins with",
            lambda row, _: msgspec.json.encode(row.deployment.entries).decode(),
        ),
        Column("files", Type.INTEGER, "how many files it has", lambda row, _: row.deployment.files),
        Column("size", Type.INTEGER, "their bytes", lambda row, _: row.deployment.size),
        Column("registered_at", Type.TIME, "when it was registered", lambda row, _: row.deployment.registered_at),
        Column("registered_by", Type.TEXT, "by whom", lambda row, _: row.deployment.registered_by),
        Column("is_latest", Type.INTEGER, "1 if new invocations take it, else 0", lambda row, _: int(row.is_latest)),
        Column(
            "passed_over",
            Type.TEXT,
            "who moved latest away from it, and why",
            lambda row, _: row.deployment.passed_over or None,
        ),
        Column("open_invocations", Type.INTEGER, "how many run on it and have not ended", _open_invocations),
    ),
    paths=(Path(name="every", scan=_every, cost=20),),
)
