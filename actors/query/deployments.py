"""Deployments from what is stored of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.model.deployment_info import DeploymentInfo
from actors.query.counts import count_rows
from journal import keys

if TYPE_CHECKING:
    from actors.core.deployments import Deployment
    from actors.query.snapshot import JournalSnapshot


async def stored_deployment(snapshot: JournalSnapshot, known: Deployment, latest: str) -> DeploymentInfo:
    """What is stored of a deployment; nothing of it is served."""
    return DeploymentInfo(
        id=known.id,
        entries=known.entries,
        files=known.files,
        size=known.size,
        registered_at=known.registered_at,
        registered_by=known.registered_by,
        is_latest=known.id == latest,
        is_served=False,
        is_loaded=False,
        passed_over=known.passed_over,
        open_invocations=await count_pinned(snapshot, known.id),
    )


async def count_pinned(snapshot: JournalSnapshot, deployment: str) -> int:
    """How many open invocations run on it, by the index."""
    return await count_rows(snapshot.view, snapshot.partitions, partial(keys.pinned_prefix, deployment=deployment))
