"""The requests of operators to the nodes of a cluster, as data."""

from __future__ import annotations

import attrs


@attrs.frozen
class PartitionMove:
    """A partition that was moved to a node."""

    partition: int
    node: str
