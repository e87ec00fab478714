"""Reads stored deployments."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs

from actors.errors import NotFoundError, ResourceKind
from actors.model.deployment_info import CodeFile, DeploymentInfo
from journal import invocation_keys, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.deployments import Deployment
    from actors.query.snapshot import JournalSnapshot
    from actors.values.snapshot import Snapshot


def stored_deployment(known: Deployment, latest: str, open_invocations: Mapping[str, int]) -> DeploymentInfo:
    """Return a deployment as stored, for a directory that is not being served. ``open_invocations`` are numbers by
    deployment (:func:`actors.query.counts.open_by_deployment`)."""
    return DeploymentInfo(
        **attrs.asdict(known, recurse=False),
        is_latest=known.id == latest,
        is_served=False,
        is_loaded=False,
        open_invocations=open_invocations.get(known.id, 0),
    )


def is_drained(snapshot: JournalSnapshot, deployment: str) -> bool:
    """Report whether no open invocation is pinned to the deployment, from the index."""
    return all(
        snapshot.first(prefix, keys.after_prefix(prefix)) is None
        for prefix in (invocation_keys.pinned_prefix(partition, deployment) for partition in range(snapshot.partitions))
    )


def code_files(code: Snapshot) -> tuple[CodeFile, ...]:
    """Return the files of a deployment by path, without their texts."""
    return tuple(_file(path, code.files[path]) for path in sorted(code.files))


def code_file(code: Snapshot, path: str) -> CodeFile:
    """Return one file of a deployment, with its text. Raises :class:`actors.NotFoundError`."""
    content = code.files.get(path)
    if content is None:
        raise NotFoundError(
            f"{code.deployment} has no file {path[:200]!r}; it has {len(code.files)} other files",
            kind=ResourceKind.FILE,
        )
    return attrs.evolve(_file(path, content), text=_text(content))


def _file(path: str, content: bytes) -> CodeFile:
    return CodeFile(path=path, size=len(content), digest=hashlib.sha256(content).hexdigest())


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
