"""``sys_deployment``: one row for each registered deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.deployments import Deployment
from actors.model.deployment_info import DeploymentInfo
from actors.query.counts import open_by_deployment
from actors.query.sql.columns import Path, Table, Wanted
from actors.query.sql.records import column_of, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.query.snapshot import JournalSnapshot


@attrs.frozen
class _Registered:
    deployment: Deployment
    is_latest: bool
    counts: Mapping[str, int]


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_Registered]:
    registered = snapshot.deployments()
    counts = open_by_deployment(snapshot.view, snapshot.partitions)
    for deployment in registered.known:
        yield _Registered(deployment, deployment.id == registered.latest, counts)


def _open_invocations(row: _Registered, _: JournalSnapshot) -> int:
    return row.counts.get(row.deployment.id, 0)


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
