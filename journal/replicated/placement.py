"""Which node should own which partition. Pure: equal arguments give equal placements, in any process.

Each node computes it from the heartbeats that it has received, so no node has to be elected.

Prior art: rendezvous hashing (Thaler and Ravishankar, 1998) chooses among equals, and an owner keeps what it has, as in the sticky
assignor of Kafka. Alternative refused: rendezvous hashing alone. It takes partitions from healthy owners when a node joins, and its
loads differ by more than one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def placement(members: Iterable[str], partitions: int, previous: Mapping[int, str]) -> dict[int, str]:
    """Return the node for each partition; an empty map if there are no members. ``previous`` are the owners so far.

    The numbers of partitions of any two members differ by at most one. An owner in ``previous`` that is a member keeps its
    partitions, except the fewest that must move for that.
    """
    loads: dict[str, set[int]] = {name: set() for name in sorted(members)}
    if not loads:
        return {}
    unplaced = []
    for partition in range(partitions):
        owner = previous.get(partition)
        if owner in loads:
            loads[owner].add(partition)
        else:
            unplaced.append(partition)
    for partition in unplaced:
        fewest = min(len(load) for load in loads.values())
        free = [name for name, load in loads.items() if len(load) == fewest]
        loads[max(free, key=lambda name: _weight(name, partition))].add(partition)
    while True:
        giver = max(loads, key=lambda name: len(loads[name]))
        taker = min(loads, key=lambda name: len(loads[name]))
        if len(loads[giver]) - len(loads[taker]) <= 1:
            return {partition: name for name, load in loads.items() for partition in load}
        moved = max(loads[giver], key=lambda partition: _weight(taker, partition))
        loads[giver].remove(moved)
        loads[taker].add(moved)


def _weight(name: str, partition: int) -> bytes:
    """Return how much a node is preferred for a partition; two weights are never equal."""
    return hashlib.blake2b(f"{partition}:{name}".encode(), digest_size=16).digest()
