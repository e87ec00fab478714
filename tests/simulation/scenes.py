"""Situations that random deeds seldom reach: each is a few deeds that lead there, with the limits that it takes.

A scene is the first life of a storm. Its moments and its choices are drawn, so that each seed comes to it in another way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from tests.simulation.disk import Weather
from tests.simulation.misreads import KINDS
from tests.simulation.plan import KEYS, Deed
from tests.simulation.props import LONG, Props, Scene
from tests.simulation.scenes_of_objects import budgeted, debounced, deleted, loaded, talked

if TYPE_CHECKING:
    from collections.abc import Callable


def _approval(props: Props) -> Scene:
    """A work is restarted from a wait that has had its signal."""
    number, key = props.number(), props.random.choice(KEYS)
    program = [["wait", "s"], ["step", 0.1, 0.0, 0], ["wait", "t"]]
    deeds = [
        props.ask(0.05, key, number, program),
        props.signal(props.moment(0.1, 0.3), number, "s"),
        props.restart(props.moment(0.6, 1.5), number, 0.0),
    ]
    return Scene(deeds=deeds)


def _two_waits(props: Props) -> Scene:
    """Several waits for one signal, one of which may give up; and a restart from one of them."""
    number, key, random = props.number(), props.random.choice(KEYS), props.random
    wait: list[Any] = ["wait", "s"]
    first: list[Any] = random.choice([wait, wait, ["deadline", random.choice([0.1, 0.5]), wait]])
    program = [["nursery", [first, wait]], wait]
    deeds = [props.ask(0.05, key, number, program)]
    deeds += [props.signal(props.moment(0.1, 0.7), number, "s") for _ in range(random.choice([1, 2, 2, 3]))]
    if random.random() < 0.9:
        deeds.append(props.restart(props.moment(0.7, 1.5), number, random.choice([0.0, 0.0, 0.4, 0.7, "end"])))
        deeds.append(props.signal(props.moment(2.1, 3.0), number, "s", which=1))
    return Scene(deeds=deeds)


def _rewind(props: Props) -> Scene:
    """A work goes back with its object, on which others have written lines since."""
    number, key = props.number(), props.random.choice(KEYS)
    lines = [["line", props.number()] for _ in range(props.random.choice([1, 2, 3]))]
    deeds = [
        props.ask(0.05, key, number, [["line", props.number()], ["step", 0.1, 0.0, 0], ["line", props.number()]]),
        props.ask(0.1, key, props.number(), lines),
        props.restart(props.moment(2.8, 3.5), number, props.random.choice([0.0, ""]), rewind_state=True),
    ]
    return Scene(deeds=deeds, seconds=5.0)


def _purge_of_what_is_needed(props: Props) -> Scene:
    """A restart waits for its turn, while what it will keep a part of is to be purged."""
    number, key = props.number(), props.random.choice(KEYS)
    deeds = [
        props.ask(0.05, key, number, [["step", 0.1, 0.0, 0]]),
        props.ask(0.1, key, props.number(), [LONG]),
        props.restart(props.moment(1.4, 1.7), number, 0.9),
        props.steer(props.moment(1.8, 2.2), "purge", number),
    ]
    return Scene(deeds=deeds, seconds=props.moment(2.5, 5.0))


def _purge_beside(props: Props) -> Scene:
    """What has ended is purged, one after the other, while the next of its object is under way."""
    key, ended = props.random.choice(KEYS), [props.number(), props.number()]
    deeds = [props.ask(0.0, key, number, []) for number in ended]
    deeds.append(props.ask(0.1, key, props.number(), [["step", 0.1, 0.0, 0], ["wait", "s"]]))
    for at, number in zip((2.3, 2.6), props.random.sample(ended, 2), strict=True):
        deeds.append(props.steer(at, "purge", number))
    return Scene(deeds=deeds, seconds=props.moment(3.1, 4.0))


def _killed_caller(props: Props) -> Scene:
    """A caller is stopped while what it has called waits or runs."""
    number, random = props.number(), props.random
    deeds = [
        props.ask(0.0, "b", props.number(), [LONG] if random.random() < 0.5 else []),
        props.ask(0.05, "a", number, [["call", "b", props.number()]]),
        props.steer(props.moment(0.2, 2.0), random.choice(["kill", "kill", "cancel"]), number, kill_after=None),
    ]
    return Scene(deeds=deeds)


def _stopped(props: Props) -> Scene:
    """A work is stopped in the middle of a step that is slow to give way, and the next of its object waits."""
    number, key, random = props.number(), props.random.choice(KEYS), props.random
    program = [["shield", ["sleep", 3.0]]] if random.random() < 0.3 else [LONG]
    stopped = props.moment(0.2, 1.3)
    verb, kill_after = random.choice(
        [("kill", None), ("kill", None), ("pause now", None), ("cancel", 0.1), ("cancel", 0.5), ("cancel", None)]
    )
    deeds = [
        props.ask(0.05, key, number, program),
        props.ask(0.1, key, props.number(), [["step", 0.1, 0.0, 0]]),
        props.steer(stopped, verb, number, kill_after=kill_after),
    ]
    is_cut_short = kill_after is not None and random.random() < 0.9  # before it has given way, or was killed
    return Scene(deeds=deeds, seconds=stopped + 0.06 if is_cut_short else 4.0)


def _stopped_atomic(props: Props) -> Scene:
    """An atomic handler is looked at between its two changes, and stopped there."""
    number, key = props.number(), props.random.choice(KEYS)
    stopped = props.moment(0.4, 1.3)
    deeds = [
        Deed(at=0.05, what="move", given=[key, number, 1.5]),
        Deed(at=props.moment(0.1, stopped), what="look", given=[key]),
        props.steer(stopped, props.random.choice(["kill", "cancel"]), number, kill_after=None),
        Deed(at=props.moment(1.0, 2.0), what="look", given=[key]),
    ]
    return Scene(deeds=deeds)


def _paused_retry(props: Props) -> Scene:
    """A work is paused while a step of it is to be tried again; the process may die before the date of that."""
    number, key = props.number(), props.random.choice(KEYS)
    flops, paused = props.random.choice([1, 2]), props.random.choice([props.moment(0.06, 0.1), props.moment(0.06, 0.2)])
    deeds = [
        props.ask(0.05, key, number, [["step", 0.0, 0.0, flops]]),
        props.steer(paused, props.random.choice(["pause", "pause now"]), number),
    ]
    if props.random.random() < 0.6:
        return Scene(deeds=deeds, seconds=paused + 0.04)
    deeds.append(props.steer(props.moment(1.0, 2.0), "resume", number))
    return Scene(deeds=deeds)


def _dying_job(props: Props) -> Scene:
    """The process dies over the page of a job, when some or all of its items have obeyed."""
    random = props.random
    program = [["wait", "t"]]
    deeds = [props.ask(0.0, key, props.number(), program) for key in KEYS]
    deeds.append(Deed(at=0.3, what="job", given=["signal", random.choice([2, 4]), props.number()]))
    deeds.append(Deed(at=0.3, what="doom", given=[random.choice([3, 4, 4, 5]), random.choice(["before", "after"])]))
    return Scene(deeds=deeds)


def _job_of_one_object(props: Props) -> Scene:
    """A job is about several that wait for one object, where each lets the next one begin."""
    random, key, count = props.random, props.random.choice(KEYS), props.random.choice([2, 3, 4])
    verb = random.choice(["kill", "kill", "cancel"])
    if verb == "kill" or random.random() < 0.5:
        deeds = [props.ask(0.0, key, props.number(), [["wait", "s"]]) for _ in range(count)]
    else:
        deeds = [Deed(at=0.0, what="move", given=[key, props.number(), 1.5]) for _ in range(count)]
    deeds.append(Deed(at=0.3, what="job", given=[verb, count, props.number()]))
    return Scene(deeds=deeds)


def _moved_date(props: Props) -> Scene:
    """What was sent for later is moved to another date, once or twice, and the process may die over that or before that date."""
    random, number, key = props.random, props.number(), props.random.choice(KEYS)
    moved = [props.moment(0.2, 1.0) for _ in range(random.choice([1, 1, 2]))]
    delays = [random.choice([None, 0.3, 1.5, 3.0]) for _ in moved]
    deeds = [
        props.ask(0.05, key, number, [["step", 0.1, 0.0, 0]], random.choice([1.2, 2.5])),
        *(props.steer(at, "reschedule", number, delay=delay) for at, delay in zip(moved, delays, strict=True)),
    ]
    if random.random() < 0.2:
        deeds.append(props.steer(props.moment(0.1, 1.0), "pause", number))
        deeds.append(props.steer(props.moment(1.0, 2.5), "resume", number))
    if random.random() < 0.3:
        deeds[-1] = attrs.evolve(deeds[-1], dies=random.choice(["before", "after"]))
    return Scene(deeds=deeds, seconds=random.choice([max(moved) + 0.1, props.moment(1.0, 3.0), 5.0]))


def _scheduled(props: Props) -> Scene:
    """A schedule runs beside what clients ask of it, and the process dies over one of the commits."""
    random = props.random
    options = {
        "every": 1.0,
        "seconds": random.choice([0.0, 0.6, 1.5]),
        "missed": random.choice(["skip", "one", "all"]),
        "overlap": random.choice(["skip", "queue", "allow", "allow", "cancel_previous"]),
        "ends_after": random.choice([2.5, 3.5]),
    }
    deeds = [Deed(at=0.05, what="steer schedule", given=["create", "m", "", options])]
    for verb, given in random.sample(
        [
            ("trigger", {}),
            ("pause", {}),
            ("backfill", {"seconds": 2.5}),
            ("update", {"note": "x"}),
            ("create", options),
        ],
        random.choice([0, 0, 1, 2]),
    ):
        deeds.append(Deed(at=props.moment(0.5, 2.5), what="steer schedule", given=[verb, "m", "", given]))
    if random.random() < 0.7:
        doom = [random.randint(3, 12), random.choice(["before", "after"])]
        deeds.append(Deed(at=props.moment(0.9, 2.0), what="doom", given=doom))
    return Scene(deeds=deeds, seconds=props.moment(1.5, 4.5))


def _cut_off(props: Props) -> Scene:
    """The process dies in the middle of a step that may run at most once, or of one that may be run again; the next one may fail as
    often as it may."""
    random = props.random
    step: list[Any] = random.choice([["once", 1.5], ["once", 1.5], LONG])
    last = ["step", 0.1, 0.0, random.choice([0, 2])]
    deeds = [props.ask(0.05, random.choice(KEYS), props.number(), [step, last])]
    return Scene(deeds=deeds, seconds=props.moment(0.1, 1.8))


def _gated(props: Props) -> Scene:
    """Work is asked for behind a gate, which outlives the process, or is under way when it closes."""
    key, random = props.random.choice(KEYS), props.random
    scope = random.choice(["everything", f"key:Account/{key}"])
    short: list[Any] = ["step", 0.1, 0.0, 0]
    deeds = [
        Deed(at=0.05, what="gate", given=["close", scope, random.choice(["drain", "now"])]),
        props.ask(0.2, key, props.number(), [short]),
    ]
    if random.random() < 0.6:
        deeds.append(props.ask(0.0, key, props.number(), [["sleep", 0.1], short, ["sleep", 0.1], short]))
    then = [props.ask(0.2, key, props.number(), [short])]
    if random.random() < 0.3:
        then.append(Deed(at=2.0, what="gate", given=["open", scope, "drain"]))
    return Scene(deeds=deeds, seconds=props.moment(0.3, 1.0), then=then)


def _limited(props: Props) -> Scene:
    """Errands of several priorities wait for those that run, which may be stopped; and the process may die meanwhile."""
    random, numbers = props.random, [props.number() for _ in range(6)]
    scope = random.choice(["service:Errands", "service:Errands", "tag:lane", "tag:lane=red"])
    deeds = [
        Deed(at=0.05, what="limit", given=[scope, random.choice([1, 1, 2]), None, 1.0]),
        *_errands(props, numbers, random.choice([0.4, 1.0])),
    ]
    if random.random() < 0.6:
        verb = random.choice(["kill", "kill", "cancel", "pause", "pause now"])
        deeds.append(props.steer(props.moment(0.2, 1.5), verb, random.choice(numbers), kill_after=None))
    if random.random() < 0.4:
        deeds.append(
            Deed(at=props.moment(0.3, 2.0), what="limit", given=[scope, random.choice([None, 1, 3]), None, 1.0])
        )
    if random.random() < 0.4:
        doom = [random.randint(2, 12), random.choice(["before", "after"])]
        deeds.append(Deed(at=props.moment(0.2, 2.0), what="doom", given=doom))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.4, 1.5), props.moment(1.5, 4.0)]))


def _rated(props: Props) -> Scene:
    """Errands wait for the end of a period in which as many have started as may, and the limit changes or the process dies in it."""
    random, numbers = props.random, [props.number() for _ in range(6)]
    scope = random.choice(["service:Errands", "service:Errands", "tag:lane"])
    deeds = [
        Deed(at=0.05, what="limit", given=[scope, random.choice([None, 3]), random.choice([1, 2]), 2.0]),
        *_errands(props, numbers, 0.0),
    ]
    if random.random() < 0.6:
        deeds.append(Deed(at=props.moment(0.6, 1.8), what="limit", given=[scope, None, random.choice([1, 2, 3]), 2.0]))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.5, 1.8), props.moment(2.0, 4.0)]))


def _errands(props: Props, numbers: list[int], seconds: float) -> list[Deed]:
    """Errands of several priorities, in two parts."""
    random = props.random
    each = [[number, random.choice([-1, 0, 0, 1]), random.choice(["red", "red", "blue"])] for number in numbers]
    return [
        Deed(at=0.3, what="errands", given=[seconds, each[:3]]),
        Deed(at=0.4, what="errands", given=[seconds, each[3:]]),
    ]


def _limited_objects(props: Props) -> Scene:
    """Works of several objects share a limit, wait in between, and are steered there."""
    random, numbers = props.random, [props.number() for _ in range(4)]
    scope = random.choice(["service:Account", "service:Account", "handler:Account/work", "key:Account"])
    between: list[Any] = random.choice([["sleep", 0.3], ["wait", "s"], ["step", 0.1, 0.0, 1], LONG])
    step: list[Any] = ["step", 0.4, 0.3, 0]
    deeds = [Deed(at=0.05, what="limit", given=[scope, random.choice([1, 1, 2]), random.choice([None, None, 2]), 1.0])]
    deeds += [props.ask(0.1, key, number, [step, between, step]) for key, number in zip(KEYS, numbers, strict=True)]
    deeds += [props.signal(props.moment(0.5, 3.0), number, "s") for number in numbers[:2]]
    for _ in range(random.choice([0, 1, 2])):
        verb = random.choice(["kill", "cancel", "pause", "pause now", "restart"])
        of, at = random.choice(numbers), props.moment(0.2, 2.5)
        deeds.append(props.restart(at, of, 0.0) if verb == "restart" else props.steer(at, verb, of, kill_after=None))
    if random.random() < 0.4:
        deeds.append(
            Deed(at=props.moment(0.3, 2.0), what="limit", given=[scope, random.choice([None, 1, 3]), None, 1.0])
        )
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.3, 1.5), 4.0]))


def _questioned(props: Props) -> Scene:
    """A work asks a person, and two answer at once: in time or too late, and perhaps while the process dies over it."""
    random, number, key = props.random, props.number(), props.random.choice(KEYS)
    program: list[Any] = [
        ["question", seconds, random.choice([0.0, 0.6])] for seconds in (random.choice([0.5, 5.0, 3600.0]), 3600.0)
    ]
    if random.random() < 0.3:
        program = [["nursery", program]]
    deeds = [props.ask(0.05, key, number, program)]
    for _ in range(random.choice([1, 2, 2])):
        choices = random.choice([["yes"], ["yes", "no"], ["no", "yes"]])
        at = random.choice([props.moment(0.1, 0.6), props.moment(0.6, 3.0)])
        deeds.append(Deed(at=at, what="answer", given=[random.randint(0, 3), choices]))
    if random.random() < 0.6:
        deeds[-1] = attrs.evolve(deeds[-1], dies=random.choice(["before", "after"]))
    then = [Deed(at=props.moment(0.05, 1.0), what="answer", given=[random.randint(0, 3), ["no", "yes"]])]
    return Scene(deeds=deeds, seconds=props.moment(1.0, 4.0), then=then if random.random() < 0.5 else [])


def _full_mailbox(props: Props) -> Scene:
    """Messages are sent to an object for which as many wait already as may."""
    deeds = [props.ask(0.0, "d", props.number(), [LONG])]
    deeds += [props.ask(0.05, "d", props.number(), []) for _ in range(3)]
    deeds.append(props.ask(0.1, "a", props.number(), [["send", "d", props.number()], ["send", "d", props.number()]]))
    deeds += [Deed(at=props.moment(0.2, 1.0), what="call", given=["d", props.number(), []]) for _ in range(2)]
    return Scene(deeds=deeds, partitions=props.random.choice([1, 0]), limits={"mailbox": 3})


def _damaged_peer(props: Props) -> Scene:
    """A message is sent to an object that cannot be read just now."""
    deeds = [
        props.ask(0.0, "b", props.number(), []),
        props.ask(1.6, "c", props.number(), []),
        Deed(at=3.0, what="damage of", given=["b"]),
        props.ask(3.1, "a", props.number(), [["send", "b", props.number()]]),
    ]
    return Scene(deeds=deeds, seconds=5.0, partitions=props.random.choice([1, 0]), limits={"idle_objects": 1})


def _misread(props: Props) -> Scene:
    """A process starts that reads what is kept of an object wrongly, while it is asked for, and its history, and others beside."""
    random, numbers = props.random, [props.number() for _ in range(3)]
    last: list[Any] = random.choice([["step", 0.1, 0.0, 0], ["sleep", 0.1], ["wait", "s"]])
    deeds = [
        props.ask(at, "b", number, [["line", props.number()], ["line", props.number()], last])
        for at, number in zip((0.0, 0.1, random.choice([0.2, 2.3])), numbers, strict=True)
    ]
    if random.random() < 0.6:
        deeds.append(props.steer(1.4, "purge", numbers[0]))
    then = [
        Deed(at=0.05, what="history", given=[random.choice([1, 2])]),
        Deed(at=0.1, what="bystander", given=["d"]),
        props.ask(props.moment(0.1, 1.0), random.choice("ab"), props.number(), [["send", "b", props.number()]]),
        Deed(at=0.3, what="read lines", given=["b"]),
        props.signal(0.6, numbers[1], "s"),
    ]
    if random.random() < 0.5:
        step, rewinds = random.choice([0.0, "end"]), random.random() < 0.5
        then.append(props.restart(props.moment(0.1, 1.0), numbers[1], step, rewind_state=rewinds))
    return Scene(
        deeds=deeds,
        seconds=props.moment(2.5, 5.0),
        then=then,
        then_weather=Weather(misreads={"b": random.choice(KINDS)}),
        partitions=random.choice([1, 0]),
        limits={"idle_objects": random.choice([1, 100])},
    )


def _rush(props: Props) -> Scene:
    """Clients and other objects add to one tally at the same moment, and the process dies over one of the next commits."""
    random, key = props.random, props.random.choice(KEYS)
    at, adds = props.moment(0.1, 0.3), [["add", key, props.number()] for _ in range(2)]
    program = [*adds, ["tell", key, props.number()], ["spread", key, [props.number() for _ in range(3)]]]
    deeds = [
        Deed(at=0.05, what="label", given=[key, props.number()]),
        props.ask(at, random.choice(KEYS), props.number(), program),
        Deed(at=at, what="rush", given=[key, [props.number() for _ in range(5)], random.choice([0.0, 0.004])]),
        Deed(at=at, what="tell", given=[key, props.number(), None]),
        Deed(at=at + 0.01, what="label", given=[key, props.number()]),
        Deed(at=at + 0.02, what="rush", given=[key, [props.number() for _ in range(3)], 0.0]),
    ]
    if random.random() < 0.8:
        deeds.append(
            Deed(at=at, what="doom", given=[random.randint(1, 6), random.choice(["before", "before", "after"])])
        )
    return Scene(deeds=deeds, seconds=2.0, weather=Weather(latency=0.02))


def _rush_at_a_gate(props: Props) -> Scene:
    """Messages wait for a tally behind a gate, and clients add to it just when that opens."""
    random, key = props.random, props.random.choice(KEYS)
    scope = random.choice(["everything", "service:Tally"])
    opens = props.moment(0.3, 0.5)
    deeds = [Deed(at=0.05, what="gate", given=["close", scope, random.choice(["drain", "now"])])]
    deeds += [Deed(at=0.2, what="tell", given=[key, props.number(), None]) for _ in range(3)]
    deeds.append(Deed(at=opens, what="gate", given=["open", scope, "drain"]))
    deeds.append(Deed(at=opens, what="rush", given=[key, [props.number() for _ in range(20)], 0.002]))
    return Scene(deeds=deeds, seconds=3.0, weather=Weather(latency=0.02))


def _rush_after_a_kill(props: Props) -> Scene:
    """Clients add to a tally whose holder was killed in the middle of a step that is slow to give way."""
    random, key, number, queued = props.random, props.random.choice(KEYS), props.number(), props.number()
    killed, (verb, kill_after) = (
        props.moment(0.2, 1.3),
        random.choice([("kill", None), ("kill", None), ("cancel", 0.05)]),
    )
    deeds = [
        Deed(at=0.05, what="weigh", given=[key, number, 1.5]),
        props.steer(killed, verb, number, kill_after=kill_after),
        Deed(at=killed + 0.1, what="rush", given=[key, [props.number() for _ in range(4)], 0.05]),
    ]
    if random.random() < 0.3:
        deeds.append(Deed(at=0.1, what="tell", given=[key, queued, None]))
        deeds.append(props.steer(props.moment(0.1, killed), random.choice(["kill", "pause"]), queued))
    return Scene(deeds=deeds)


def _refused_commits(props: Props) -> Scene:
    """The disk refuses some commits, while clients look at what they asked for."""
    random = props.random
    deeds = [
        props.ask(props.moment(0.0, 2.0), random.choice(KEYS), props.number(), [["step", 0.1, 0.0, 0]])
        for _ in range(6)
    ]
    fates = dict.fromkeys(random.sample(range(3, 30), 4), "refused")
    return Scene(deeds=deeds, seconds=5.0, weather=Weather(fates=fates, latency=0.02, shows_early=True))


def _letters(props: Props) -> Scene:
    """Many objects write to each other at once, and the process dies when some of that is on its way."""
    random = props.random
    deeds = [
        props.ask(0.05, key, props.number(), [["send", random.choice(KEYS), props.number()] for _ in range(4)])
        for key in KEYS
    ]
    deeds.append(Deed(at=0.06, what="doom", given=[random.randint(1, 4), "after"]))
    return Scene(deeds=deeds, seconds=1.0, partitions=5, weather=Weather(latency=0.02))


def _joined(props: Props) -> Scene:
    """Works wait for the end of another one, and the process dies before that, over it, or soon afterwards."""
    random, number = props.random, props.number()
    waits_for: list[Any] = random.choice([["step", 0.6, 0.0, 0], ["wait", "s"], ["sleep", 0.3]])
    deeds = [props.ask(0.0, "a", number, [waits_for])]
    deeds += [props.ask(0.1, key, props.number(), [["join", 0]]) for key in random.sample("bcd", 2)]
    deeds.append(props.signal(0.5, number, "s"))
    if random.random() < 0.3:
        deeds.append(props.steer(props.moment(0.6, 1.2), random.choice(["kill", "cancel"]), number, kill_after=None))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.2, 1.4), props.moment(1.4, 1.9)]))


def _moved(props: Props) -> Scene:
    """What was begun on one version of the code is steered to another."""
    number, key, random = props.number(), props.random.choice(KEYS), props.random
    program = [["step", 0.1, 0.0, 0], ["wait", "s"], ["step", 0.1, 0.0, 1], ["chance"]]
    to = random.choice(["latest", "latest", "keep"])
    if random.random() < 0.5:
        steered = props.steer(0.6, "resume", number, deployment=to)
    else:
        steered = props.steer(
            0.6,
            "restart",
            number,
            step=random.choice([0.0, 0.5]),
            stop="kill",
            rewind_state=False,
            input=False,
            deployment=to,
        )
    return Scene(
        deeds=[props.ask(0.05, key, number, program)],
        seconds=props.moment(0.1, 1.0),
        then=[props.steer(0.3, "pause now", number), steered, props.signal(1.0, number, "s", which=1)],
    )


def _moved_to_code_that_differs(props: Props) -> Scene:
    """What was begun on one version of the code is moved to one that does something else, and perhaps back."""
    number, key, random = props.number(), props.random.choice(KEYS), props.random
    program = [["step", 0.1, 0.0, 0], ["wait", "s"], ["step", 0.1, 0.0, 1], ["wait", "t"]]
    then = [
        props.steer(0.2, "pause now", number),
        props.signal(props.moment(0.3, 1.5), number, "s", which=1),
        props.steer(props.moment(2.0, 3.0), "resume", number, 1, deployment=random.choice(["home", "home", "keep"])),
    ]
    if random.random() < 0.6:
        then.append(props.steer(0.6, "resume", number, deployment="latest"))
    else:
        options: dict[str, Any] = {"stop": "kill", "rewind_state": False, "input": False, "deployment": "latest"}
        then.append(props.steer(0.6, "restart", number, step=random.choice([0.5, 0.9]), **options))
    return Scene(
        deeds=[props.ask(0.05, key, number, program), props.signal(props.moment(0.1, 1.5), number, "s")],
        seconds=props.moment(0.5, 1.8),
        then=then,
        differs=True,
    )


SCENES: tuple[Callable[[Props], Scene], ...] = (
    _approval,
    _job_of_one_object,
    _rush,
    _moved_date,
    _two_waits,
    _rush_at_a_gate,
    _scheduled,
    _rush_after_a_kill,
    _cut_off,
    _rewind,
    _purge_of_what_is_needed,
    _purge_beside,
    _killed_caller,
    _stopped,
    _stopped_atomic,
    _paused_retry,
    _dying_job,
    _full_mailbox,
    _damaged_peer,
    _misread,
    _refused_commits,
    _letters,
    _joined,
    _moved,
    _moved_to_code_that_differs,
    _gated,
    _limited,
    _questioned,
    _limited_objects,
    _rated,
    deleted,
    debounced,
    budgeted,
    loaded,
    talked,
)
"""Each storm of a scene takes the next one."""
