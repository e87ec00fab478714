"""The public record of a node of a cluster."""

from __future__ import annotations

import enum
from typing import Annotated

import attrs

from journal.fields import described


class NodeState(enum.Enum):
    """Whether a living node takes partitions."""

    ALIVE = "alive"
    DRAINING = "draining"
    """An operator has asked that it own nothing."""
    LEAVING = "leaving"
    """It is ending, and hands its partitions over."""


@attrs.frozen(kw_only=True)
class NodeInfo:
    """A living node of a cluster, as of its last heartbeat."""

    name: Annotated[str, described("the name of this run of the node")]
    url: Annotated[str, described("where clients reach it; empty if they cannot")]
    state: Annotated[NodeState, described("alive, or draining or leaving: then it is to own nothing")]
    partitions: Annotated[tuple[int, ...], described("the partitions that it owns")]


@attrs.frozen(kw_only=True)
class NodeAnswer:
    """The result of draining a node or of moving a partition to it: whether anything was asked that was not in force before, and the node
    afterwards."""

    changed: bool
    node: NodeInfo
