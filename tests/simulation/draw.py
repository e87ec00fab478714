"""Draws the plan of a storm from a seed, before the storm begins."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from tests.hostile.errors import ERRORS
from tests.hostile.values import VALUES
from tests.simulation.disk import Weather
from tests.simulation.misreads import KINDS
from tests.simulation.plan import (
    BUDGETED,
    CELLS,
    GATES,
    JOBS,
    KEYS,
    LANES,
    LIMITED,
    SCHEDULE_VERBS,
    SCHEDULES,
    STATUSES,
    VERBS,
    Deed,
    Life,
    Plan,
)
from tests.simulation.props import Props, Scene
from tests.simulation.scenes import SCENES
from tests.simulation.versions import VERSIONS, WAYS

_CHEAP_ERRORS = [name for name in ERRORS if not any(w in name for w in ("long", "deep", "wide", "doubles", "digits"))]
_CHEAP_VALUES = [
    name for name in VALUES if not any(w in name for w in ("long", "large", "deep", "digits", "million", "set"))
]


def random_act(random: Random) -> list[str]:
    """Something hostile that a handler does, and what it does about what that raises (``tests.hostile.programs``)."""
    verb = random.choice(
        ["raise", "raise_in_a_step", "raise_while_cancelled", "return", "answer", "anything", "emit", "mark"]
    )
    given = random.choice(_CHEAP_ERRORS if verb.startswith("raise") else _CHEAP_VALUES)
    return [verb, given, random.choice(["raise", "except Exception", "except"])]


_LIVES = {"": [0], "life": [1], "scene": [0, 0, 1], "lives": [1, 2, 2, 3]}
"""How many random lives there may be, by what comes before them."""


class _Draw:
    """Draws one plan. Each draws its own subset of deeds and faults, because a storm of everything hides what two of them do."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.numbers = iter(range(1, 1_000_000))
        self.kinds = self._some(_DEEDS)
        self.faults = self._some(("fates", "full", "stalls", "latency", "damage", "misreads", "jump", "dies"))
        self.verbs = self.random.sample(VERBS, self.random.randint(2, len(VERBS)))

    def _some(self, of: Any) -> list[Any]:
        return self.random.sample([*of], self.random.randint(1, len(of)))

    def plan(self, seed: int) -> Plan:
        """Every other one begins with a drill: it brings an invocation into a status, steers it there, and may die over it. Of the others
        every other one begins with a scene, which may also follow a drill."""
        random = self.random
        limits = {
            "unload_after_seconds": random.choice([0.5, 4.0, 60.0]),
            "running_steps": random.choice([1, 2, 100]),
            "live_attempts": random.choice([1, 100]),
            "idle_objects": random.choice([1, 100]),
            "mailbox": random.choice([3, 1000]),
        }
        partitions = random.choice([1, 5])
        if seed % 2:
            lives = [self._drill(*CELLS[seed // 2 % len(CELLS)])]
            goes_on = random.choice(["", "life", "scene", "scene"])
        else:
            lives = []
            goes_on = "scene" if seed % 4 else "lives"
        if goes_on == "scene":
            scene = SCENES[seed // (2 if seed % 2 else 4) % len(SCENES)](Props(random, self.numbers))
            limits |= scene.limits
            partitions = scene.partitions or partitions
            played = self._scene(scene)
            if scene.differs:  # what begins on no code runs on whatever is served
                lives = [attrs.evolve(life, code=played[0].code) for life in lives]
            lives += played
        lives += [self._life() for _ in range(random.choice(_LIVES[goes_on]))]
        if not seed % 2 and not lives[0].code and random.random() < 0.3:
            lives = [self._of_some_version(life) for life in lives]
        if not seed % 2 and random.random() < 0.25:
            lives[0].deeds.insert(0, Deed(at=0.02, what="limit", given=self.limit()))
        survives = random.random() < 0.3 and not any(map(_is_misread, lives))
        return Plan(seed=seed, partitions=partitions, limits=limits, lives=lives, survives=survives)

    def _of_some_version(self, life: Life) -> Life:
        """The same on code that is kept; what is resumed or restarted may move to the latest."""
        for deed in life.deeds:
            if deed.what in ("steer", "steer more") and deed.given[0] in ("resume", "restart"):
                deed.given[3]["deployment"] = self.random.choice(["keep", "latest"])
        return attrs.evolve(life, code=self.random.choice(VERSIONS))

    def _scene(self, scene: Scene) -> list[Life]:
        """The scene, with a little of everything beside it every now and then."""
        deeds = list(scene.deeds)
        if self.random.random() < 0.3:
            deeds += [self._deed(round(self.random.uniform(0.0, 2.0), 2)) for _ in range(3)]
        life = Life(seconds=scene.seconds, deeds=deeds, weather=scene.weather)
        if not scene.then:
            return [life]
        first, second = self.random.sample(VERSIONS, 2)
        if scene.differs:
            second = self.random.choice([*WAYS])
        return [
            attrs.evolve(life, code=first),
            Life(seconds=4.0, deeds=scene.then, code=second, weather=scene.then_weather),
        ]

    def _life(self) -> Life:
        random = self.random
        seconds = round(random.uniform(0.3, 7.0), 3)
        count = random.randint(4, 16)
        times = sorted(round(random.uniform(0.0, seconds), 2) for _ in range(count))
        deeds = [self._deed(at) for at in times]
        if "damage" in self.faults and random.random() < 0.3:
            deeds.append(Deed(at=round(random.uniform(0.0, seconds), 2), what="damage", given=[random.random()]))
        if "misreads" in self.faults and random.random() < 0.5:
            deeds.append(Deed(at=round(random.uniform(0.0, seconds), 2), what="misread", given=self.misread()))
        if "jump" in self.faults and random.random() < 0.5:
            jump = random.choice([-3600.0, -2.0, 0.7, 30.0, 3600.0])
            deeds.append(Deed(at=round(random.uniform(0.0, seconds), 2), what="jump", given=[jump]))
        return Life(seconds=seconds, deeds=deeds, weather=self._weather(seconds))

    def _drill(self, status: str, verb: str, dies: str) -> Life:
        """A life in which one cell is reached, with a little of everything beside it."""
        random = self.random
        deeds = self._drill_of(status, verb, dies)
        if random.random() < 0.5:
            deeds += [self._deed(round(random.uniform(0.0, 2.0), 2)) for _ in range(3)]
        return Life(seconds=4.0, deeds=deeds, weather=Weather(latency=random.choice([0.0, 0.02])))

    def _drill_of(self, status: str, verb: str, dies: str) -> list[Deed]:
        if verb.endswith(" schedule"):
            return self._drill_of_schedule(status, verb.removesuffix(" schedule"), dies)
        random, key = self.random, self.random.choice(KEYS)
        busy: list[Any] = [["step", 1.5, random.choice([0.0, 0.3]), 0]]
        delays, programs = (
            {"scheduled": 3.0},
            {
                "running": busy,
                "suspended": [["wait", "s"]],
                "backing_off": [["step", 0.0, 0.0, 1]],
                "paused": busy,
            },
        )
        deeds = [Deed(at=0.05, what="ask", given=[key, self.number(), programs.get(status, []), delays.get(status)])]
        if status == "queued":
            deeds.insert(0, Deed(at=0.0, what="ask", given=[key, self.number(), busy, None]))
        if status == "paused":
            deeds.append(Deed(at=0.3, what="steer", given=["pause now", "running", 0, {}]))
        if status == "gone":
            deeds.append(Deed(at=0.3, what="steer", given=["purge", "completed", 0, {}]))
        at = 0.1 if status == "backing_off" else 0.4  # before the step is tried again
        deeds.append(Deed(at=at, what="steer", given=[verb, status, 7, self._options(verb)], dies=dies))
        return deeds

    def _drill_of_schedule(self, state: str, verb: str, dies: str) -> list[Deed]:
        name, options = self.random.choice(SCHEDULES), self.schedule()
        options["seconds"] = 1.5 if state == "open" else 0.0
        options["every"], options["ends_after"] = {"open": (1.0, 3.0), "ended": (1.0, 1.2)}.get(state, (2.0, 3.0))
        deeds: list[Deed] = []
        if state != "none":
            deeds.append(Deed(at=0.05, what="steer schedule", given=["create", name, "", options]))
        if state == "paused":
            deeds.append(Deed(at=0.3, what="steer schedule", given=["pause", name, "", {}]))
        at = {"open": 1.2, "ended": 1.5}.get(state, 0.6)
        given = [verb, name, state, options if verb == "create" else self._options_of_schedule(verb)]
        deeds.append(Deed(at=at, what="steer schedule", given=given, dies=dies))
        return deeds

    def _weather(self, seconds: float) -> Weather:
        random = self.random
        fates: dict[int, str] = {}
        if "fates" in self.faults:
            for _ in range(random.randint(0, 3)):
                fates[random.randint(2, 60)] = random.choice(["kept", "lost", "refused", "refused", "broken"])
        full: list[tuple[float, float]] = []
        if "full" in self.faults and random.random() < 0.5:
            begin = round(random.uniform(0.0, seconds), 2)
            full.append((begin, begin + random.choice([0.1, 2.0, 8.0])))
        stalls: list[tuple[float, float]] = []
        if "stalls" in self.faults and random.random() < 0.5:
            begin = round(random.uniform(0.0, seconds), 2)
            stalls.append((begin, begin + random.choice([0.3, 5.0])))
        latency = random.choice([0.001, 0.02]) if "latency" in self.faults else 0.0
        misreads = {}
        if "misreads" in self.faults and random.random() < 0.3:
            misreads = {random.choice(KEYS): random.choice(KINDS)}
        return Weather(
            fates=fates,
            full=full,
            stalls=stalls,
            latency=latency,
            shows_early=random.random() < 0.5,
            misreads=misreads,
        )

    def _deed(self, at: float) -> Deed:
        random = self.random
        steers = [kind for kind in self.kinds if kind.startswith("steer")]
        what = random.choice(steers if steers and random.random() < 0.3 else self.kinds)
        often = 0.16 if what in steers else 0.06
        dies = random.choice(["before", "after"]) if "dies" in self.faults and random.random() < often else ""
        return Deed(at=at, what=what, given=_DEEDS[what](self), dies=dies)

    # What each deed is given.

    def number(self) -> int:
        return next(self.numbers)

    def ask(self) -> list[Any]:
        random = self.random
        return [random.choice(KEYS), self.number(), self.program(), random.choice([None, None, None, 0.7, 3.0])]

    def request(self) -> list[Any]:
        return [self.random.choice("xyz"), self.random.choice(KEYS), self.number(), self.program()]

    def call(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number(), self.random.choice([[], [["step", 0.1, 0.0, 0]]])]

    def move(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number(), self.random.choice([0.0, 0.5, 1.5])]

    def look(self) -> list[Any]:
        return [self.random.choice(KEYS)]

    def history(self) -> list[Any]:
        return [self.random.randint(0, 7)]

    def misread(self) -> list[Any]:
        random = self.random
        return [random.choice(KEYS), random.choice(KINDS), random.choice([0.1, 2.0, 10.0])]

    def pay(self) -> list[Any]:
        source, to = self.random.sample(KEYS, 2)
        return [source, to, self.random.choice([1, 10, 600]), self.number()]

    def errand(self) -> list[Any]:
        return [self.number(), self.random.choice([0.0, 0.4])]

    def claim(self) -> list[Any]:
        return [self.random.choice("pq"), self.number()]

    def add(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number()]

    def rush(self) -> list[Any]:
        count = self.random.choice([2, 3, 5])
        return [self.random.choice(KEYS), [self.number() for _ in range(count)], self.random.choice([0.0, 0.01])]

    def tell(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number(), self.random.choice([None, None, 0.7])]

    def weigh(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number(), self.random.choice([0.0, 0.5, 1.5])]

    def steer(self) -> list[Any]:
        random = self.random
        verb = random.choice(self.verbs)
        return [verb, random.choice(STATUSES), random.randint(0, 7), self._options(verb)]

    def _options(self, verb: str) -> dict[str, Any]:
        random = self.random
        match verb:
            case "cancel":
                return {"kill_after": random.choice([None, None, 0.5, 20.0])}
            case "signal":
                return {"name": random.choice("st"), "number": self.number()}
            case "reschedule":
                return {"delay": random.choice([None, None, 0.3, 2.0, 5.0])}
            case "restart":
                return {
                    "step": random.choice([0.0, 0.5, 0.9, "", "end"]),
                    "stop": random.choice(["cancel", "kill"]),
                    "rewind_state": random.random() < 0.2,
                    "input": random.random() < 0.2,
                }
        return {}

    def steer_schedule(self) -> list[Any]:
        verb = self.random.choice(["create", "create", *SCHEDULE_VERBS])
        return [verb, self.random.choice(SCHEDULES), "", self._options_of_schedule(verb)]

    def _options_of_schedule(self, verb: str) -> dict[str, Any]:
        random = self.random
        match verb:
            case "create":
                return self.schedule()
            case "backfill":
                return {"seconds": random.choice([1.5, 3.0])}
            case "update":
                return random.choice([{"note": str(self.number())}, {"every": random.choice([1.5, 2.0])}])
        return {}

    def schedule(self) -> dict[str, Any]:
        """A schedule that soon ends: a run for each nominal time of a long one would take a while."""
        random = self.random
        return {
            "every": random.choice([1.0, 1.0, 2.0]),
            "seconds": random.choice([0.0, 0.0, 0.6, 1.5]),
            "missed": random.choice(["skip", "one", "all"]),
            "overlap": random.choice(["skip", "queue", "allow", "cancel_previous"]),
            "ends_after": random.choice([1.2, 2.5, 4.5]),
        }

    def gate(self) -> list[Any]:
        random = self.random
        return [random.choice(["close", "open"]), random.choice(GATES), random.choice(["drain", "now"])]

    def job(self) -> list[Any]:
        return [self.random.choice(JOBS), self.random.randint(1, 6), self.number()]

    def edit(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number()]

    def limit(self) -> list[Any]:
        random = self.random
        return [
            random.choice(LIMITED),
            random.choice([None, 1, 1, 2]),
            random.choice([None, None, 1, 3]),
            random.choice([1.0, 2.0]),
        ]

    def budget(self) -> list[Any]:
        random = self.random
        return [random.choice(BUDGETED), None, None, 1.0, random.choice([None, 10, 40, 100])]

    def write(self) -> list[Any]:
        return [self.random.choice(KEYS), self.number(), self.random.choice([0.0, 0.0, 0.3])]

    def poke(self) -> list[Any]:
        random = self.random
        delay = random.choice([0.5, 1.5])
        longest = random.choice([None, delay, 2.0])
        return [random.choice(KEYS), random.choice("pq"), self.number(), random.choice([0.0, 0.0, 1.0]), delay, longest]

    def listen(self) -> list[Any]:
        return [self.random.randint(0, 7), self.random.choice(["", "a", "b"])]

    def errands(self) -> list[Any]:
        random = self.random
        each = [
            [self.number(), random.choice([-1, 0, 0, 1]), random.choice(LANES)] for _ in range(random.choice([2, 4]))
        ]
        return [random.choice([0.0, 0.4, 1.0]), each]

    def answer(self) -> list[Any]:
        return [self.random.randint(0, 3), self.random.choice([["yes"], ["no"], ["yes", "no"]])]

    def hostile(self) -> list[Any]:
        acts = [random_act(self.random) for _ in range(self.random.choice([1, 2]))]
        return [acts]

    # Programs.

    def program(self) -> list[list[Any]]:
        return [self.node() for _ in range(self.random.choice([1, 2, 3]))]

    def node(self, depth: int = 0) -> list[Any]:
        random = self.random
        seconds = random.choice([0.0, 0.1, 0.5, 1.5])
        leaves: list[list[Any]] = [
            ["step", seconds, random.choice([0.0, 0.3]), random.choice([0, 0, 0, 1, 2])],
            ["step", seconds, 0.3, 0],
            ["once", seconds],
            ["sleep", seconds],
            ["wait", random.choice("st")],
            ["wait", random.choice("st")],
            ["call", random.choice(KEYS), self.number()],
            ["send", random.choice(KEYS), self.number()],
            ["add", random.choice(KEYS), self.number()],
            ["tell", random.choice(KEYS), self.number()],
            ["spread", random.choice(KEYS), [self.number(), self.number()]],
            ["line", self.number()],
            ["chance"],
            ["emit", 1],
            ["say", random.choice("ab"), 1],
            ["talk", seconds, random.choice([0, 0, 1]), self.number()],
            ["load", 8, random.choice([0.05, 0.3]), random.choice([0, 3])],
            ["spend", random.choice([1, 5])],
            ["buy", seconds, random.choice([1, 20]), random.choice([0, 0, 1])],
            ["note", random.choice(KEYS), self.number()],
            ["poke", random.choice(KEYS), self.number()],
            ["question", *random.choice([(0.5, 0.6), (5.0, 0.0), (3600.0, 0.6)])],
            ["cancel", random.randint(0, 7)],
            ["join", random.randint(0, 7)],
        ]
        if depth == 2 or random.random() < 0.6:
            return random.choice(leaves)
        inner = [self.node(depth + 1) for _ in range(2)]
        blocks: list[list[Any]] = [["deadline", seconds, inner[0]], ["shield", inner[0]], ["nursery", inner]]
        return random.choice(blocks)


def _is_misread(life: Life) -> bool:
    """Whether a process does not get what is on its disk: what it has seen damaged stays so until it ends."""
    deeds = {deed.what for deed in life.deeds}
    return bool(life.weather.misreads) or not deeds.isdisjoint(("damage", "damage of", "misread"))


_DEEDS: dict[str, Any] = {
    "ask": _Draw.ask,
    "ask again": _Draw.request,
    "call": _Draw.call,
    "move": _Draw.move,
    "look": _Draw.look,
    "history": _Draw.history,
    "pay": _Draw.pay,
    "errand": _Draw.errand,
    "claim": _Draw.claim,
    "add": _Draw.add,
    "rush": _Draw.rush,
    "count": _Draw.add,
    "tell": _Draw.tell,
    "weigh": _Draw.weigh,
    "label": _Draw.add,
    "steer": _Draw.steer,
    "steer more": _Draw.steer,
    "steer schedule": _Draw.steer_schedule,
    "limit": _Draw.limit,
    "errands": _Draw.errands,
    "answer": _Draw.answer,
    "gate": _Draw.gate,
    "job": _Draw.job,
    "edit": _Draw.edit,
    "budget": _Draw.budget,
    "write": _Draw.write,
    "delete": _Draw.look,
    "poke": _Draw.poke,
    "listen": _Draw.listen,
    "hostile": _Draw.hostile,
}


def draw(seed: int) -> Plan:
    """The plan of a seed: the same in every process."""
    return _Draw(seed).plan(seed)
