"""Which node should own which partition. Pure: equal arguments give equal placements, in any process.

Each node computes it from the heartbeats that it has received, so no node has to be elected.

Prior art: rendezvous hashing (Thaler and Ravishankar, 1998) chooses among equals, and an owner keeps what it has, as in the sticky
assignor of Kafka. Alternative refused: rendezvous hashing alone. It takes partitions from healthy owners when a node joins, and its
loads differ by more than one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@attrs.frozen(kw_only=True)
class PlacementRules:
    """The requests of operators: the nodes that are to own nothing (``draining``), and the node for a partition that was moved
    (``moved``). A rule of a node that has ended has no effect."""

    draining: frozenset[str] = frozenset()
    moved: Mapping[int, str] = attrs.field(factory=dict)


NO_RULES = PlacementRules()


def placement(
    members: Iterable[str], partitions: int, previous: Mapping[int, str], moved: Mapping[int, str] | None = None
) -> dict[int, str]:
    """Return the node for each partition; an empty map if there are no members. ``previous`` are the owners so far, and
    ``moved`` the nodes that an operator has chosen for some partitions.

    A chosen node that is a member gets its partitions. Apart from those, the numbers of partitions of any two members differ by at most one. An owner in ``previous`` that is a member keeps its
    partitions, except the fewest that must move for that.
    """
    loads: dict[str, set[int]] = {name: set() for name in sorted(members)}
    if not loads:
        return {}
    chosen = {partition for partition, name in (moved or {}).items() if name in loads}
    unplaced = []
    for partition in range(partitions):
        owner = (moved or {})[partition] if partition in chosen else previous.get(partition)
        if owner in loads:
            loads[owner].add(partition)
        else:
            unplaced.append(partition)
    for partition in unplaced:
        fewest = min(len(load) for load in loads.values())
        free = [name for name, load in loads.items() if len(load) == fewest]
        loads[max(free, key=lambda name: _weight(name, partition))].add(partition)
    while True:
        givers = [name for name, load in loads.items() if load - chosen]
        giver = max(givers, key=lambda name: len(loads[name]), default=None)
        taker = min(loads, key=lambda name: len(loads[name]))
        if giver is None or len(loads[giver]) - len(loads[taker]) <= 1:
            return {partition: name for name, load in loads.items() for partition in load}
        given = max(loads[giver] - chosen, key=lambda partition: _weight(taker, partition))
        loads[giver].remove(given)
        loads[taker].add(given)


def _weight(name: str, partition: int) -> bytes:
    """Return how much a node is preferred for a partition; two weights are never equal."""
    return hashlib.blake2b(f"{partition}:{name}".encode(), digest_size=16).digest()
