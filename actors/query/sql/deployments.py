"""``sys_deployment``: one row for each registered deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.deployments import Deployment
from actors.model.deployment_info import DeploymentInfo
from actors.query.sql.columns import Path, Table, Wanted
from actors.query.sql.records import column_of, columns_of
from journal import keys

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    about="One row for each registered deployment, in order of registration.",
    columns=(
        *columns_of(Deployment, "deployment"),
        column_of(DeploymentInfo, "is_latest", "is_latest"),
        attrs.evolve(column_of(DeploymentInfo, "open_invocations", ""), value=_open_invocations),
    ),
    paths=(Path(name="every", scan=_every, cost=20),),
)
