"""What happens in a storm: lives of a process, each with weather and deeds of clients.

A plan is data, so that one that broke a law can be cut down, kept as a file, and played again.
"""

from __future__ import annotations

from typing import Any

import attrs
import cattrs

from journal.events import Status
from tests.simulation.disk import Weather

KEYS = "abcd"
"""Keys of accounts, and of tallies. Each lies in a partition of its own, where there are five."""

VERBS = ("cancel", "kill", "pause", "pause now", "resume", "signal", "reschedule", "restart", "purge", "attach")
STATUSES = (*(status.value for status in Status), "gone")
"""Of what is steered; ``gone`` is what has been purged."""

GATES = (
    "everything",
    *(f"key:Account/{key}" for key in KEYS),
    "handler:Account/work",
    "service:Errands",
    "service:Tally",
)
LIMITED = (
    "service:Account",
    "key:Account",
    "handler:Account/work",
    "service:Tally",
    "service:Errands",
    "tag:lane",
    "tag:lane=red",
)
"""Scopes of limits."""

BUDGETED = ("service:Account", "handler:Account/work", "key:Account", "key:Account/a")
"""Scopes of limits with a budget."""

LANES = ("red", "blue")

SCHEDULES = ("m", "n")
"""Names of schedules."""

SCHEDULE_VERBS = ("create", "update", "pause", "resume", "trigger", "backfill", "delete")
SCHEDULE_STATES = ("none", "active", "open", "paused", "ended")
"""Of a schedule: ``none`` is where there is none of the name, and one that is ``open`` has a run that has not ended."""

JOBS = ("cancel", "kill", "pause", "resume", "signal", "reschedule")
DEATHS = ("", "before", "after")
CELLS = [
    *((status, verb, dies) for status in STATUSES for verb in VERBS for dies in DEATHS),
    *((state, f"{verb} schedule", dies) for state in SCHEDULE_STATES for verb in SCHEDULE_VERBS for dies in DEATHS),
]
"""What can meet: the status that an invocation is in, or the state of a schedule, the verb, and the death of the process at the next
commit."""


@attrs.frozen(kw_only=True)
class Deed:
    """Something that a client does at a time, in seconds after its life began. With ``dies`` the process dies at the next commit,
    before it takes effect or after."""

    at: float
    what: str
    given: list[Any] = attrs.field(factory=list)
    dies: str = ""


@attrs.frozen(kw_only=True)
class Life:
    """One process, from its start to its death after ``seconds``. ``code`` is the version of the code that it serves, 0 if none is kept."""

    seconds: float
    code: int = 0
    deeds: list[Deed] = attrs.field(factory=list)
    weather: Weather = attrs.field(factory=Weather)


@attrs.frozen(kw_only=True)
class Plan:
    """A storm. ``limits`` are those of the runtime that are not the default. With ``survives`` the last process does not die: once the
    disk is well, everything comes to its end in it, with all that it has in memory. Otherwise another process begins for that."""

    seed: int
    partitions: int = 1
    limits: dict[str, Any] = attrs.field(factory=dict)
    lives: list[Life] = attrs.field(factory=list)
    survives: bool = False

    @property
    def size(self) -> int:
        """How much happens."""
        return sum(1 + len(life.deeds) + len(life.weather.fates) for life in self.lives)


_converter = cattrs.Converter(forbid_extra_keys=True)


def to_json(plan: Plan) -> Any:
    return _converter.unstructure(plan)


def from_json(data: Any) -> Plan:
    return _converter.structure(data, Plan)
