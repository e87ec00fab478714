"""Situations of deletions, debounced messages, budgets, heartbeats and streams of output (``tests.simulation.scenes``)."""

from __future__ import annotations

from typing import Any

import attrs

from tests.simulation.disk import Weather
from tests.simulation.plan import BUDGETED, KEYS, Deed
from tests.simulation.props import Props, Scene


def deleted(props: Props) -> Scene:
    """A notebook is deleted while clients and a work write into it, and the process may die over that."""
    random, key = props.random, props.random.choice(KEYS)
    first, second = props.moment(0.3, 0.5), props.moment(0.6, 1.2)

    def write(at: float, seconds: float = 0.0) -> Deed:
        return Deed(at=at, what="write", given=[key, props.number(), seconds])

    deeds = [
        *(write(0.05) for _ in range(random.choice([1, 3]))),
        write(props.moment(0.05, 0.4), random.choice([0.0, 0.0, 0.4])),
        Deed(at=first, what="delete", given=[key]),
        write(first),
        write(first + random.choice([0.004, 0.004, 0.1])),
        Deed(at=second, what="delete", given=[key]),
    ]
    if random.random() < 0.4:
        notes = [["note", key, props.number()] for _ in range(2)]
        deeds.append(props.ask(0.05, random.choice(KEYS), props.number(), notes))
    if random.random() < 0.3:
        deeds.append(write(second + random.choice([0.0, 0.02])))
    if random.random() < 0.5:
        dies = random.choice(["before", "after"])
        at = random.choice([at for at, deed in enumerate(deeds) if deed.what == "delete"])
        deeds[at] = attrs.evolve(deeds[at], dies=dies)
    return Scene(deeds=deeds, seconds=props.moment(1.3, 2.0), weather=Weather(latency=random.choice([0.0, 0.05, 0.05])))


def debounced(props: Props) -> Scene:
    """A burst of messages under one debounce key, for each of which somebody waits; the process may die in it, or the last one begin."""
    random, key = props.random, props.random.choice(KEYS)
    delay, slow = random.choice([(0.4, 1.0), (1.2, 0.0), (1.2, 0.0)])
    longest = random.choice([None, delay, 1.5])

    def poke(at: float) -> Deed:
        return Deed(at=at, what="poke", given=[key, "p", props.number(), slow, delay, longest])

    deeds = [poke(0.1), *(poke(props.moment(0.1, 2.0)) for _ in range(random.choice([2, 3])))]
    deeds += [
        props.ask(props.moment(0.1, 1.0), other, props.number(), [["poke", key, props.number()]])
        for other in random.sample(KEYS, 2)
    ]
    if random.random() < 0.3:
        deeds[-1] = attrs.evolve(deeds[-1], dies=random.choice(["before", "after"]))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.3, 1.5), 5.0]))


def budgeted(props: Props) -> Scene:
    """Works spend what they share, are paused when it is used up, and go on when there is more; and the process may die meanwhile."""
    random, numbers = props.random, [props.number() for _ in range(3)]
    scope, budget = random.choice(BUDGETED), random.choice([10, 30, 60])
    nodes: list[list[Any]] = [
        ["buy", 0.4, 20, 0],
        ["buy", 0.1, 7, 1],
        ["spend", 5],
        ["sleep", 0.4],
        ["step", 0.4, 0.0, 0],
    ]
    deeds = [Deed(at=0.05, what="budget", given=[scope, None, None, 1.0, budget])]
    *busy, free = random.sample(KEYS, 4)
    for key, number in zip(busy, numbers, strict=True):
        program = [["spend", 3], *random.choices(nodes, k=6)]
        deeds.append(props.ask(props.moment(0.3, 0.6), key, number, program))
    deeds.append(props.ask(props.moment(0.9, 1.5), free, props.number(), [["spend", 3]]))
    if random.random() < 0.7:
        more = random.choice([None, budget + 30, budget + 200])
        deeds.append(Deed(at=props.moment(1.0, 2.5), what="budget", given=[scope, None, None, 1.0, more]))
    for _ in range(random.choice([0, 1, 2])):
        verb = random.choice(["kill", "cancel", "pause", "resume", "resume"])
        deeds.append(props.steer(props.moment(0.3, 2.5), verb, random.choice(numbers), kill_after=None))
    if random.random() < 0.5:
        doom = [random.randint(2, 15), random.choice(["before", "after"])]
        deeds.append(Deed(at=props.moment(0.1, 1.5), what="doom", given=doom))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.5, 2.0), 4.0]))


def loaded(props: Props) -> Scene:
    """A step says how far it is, and fails, is stopped, or dies with its process."""
    random, number, key = props.random, props.number(), props.random.choice(KEYS)
    each = random.choice([0.02, 0.2])
    deeds = [props.ask(0.05, key, number, [["load", int(3.0 / each), each, random.choice([0, 7])]])]
    if random.random() < 0.4:
        stopped = props.moment(0.3, 2.5)
        deeds.append(props.steer(stopped, "pause now", number))
        if random.random() < 0.7:
            deeds.append(props.steer(stopped + 0.5, "resume", number))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.3, 3.0), 4.5]))


def talked(props: Props) -> Scene:
    """A step and its work emit into several streams, which clients read, and are cut off, tried again or restarted."""
    random, number, key = props.random, props.number(), props.random.choice(KEYS)
    talk = ["talk", random.choice([0.2, 0.8]), random.choice([0, 1]), props.number()]
    program = [["say", "a", 1], talk, ["say", "b", 2], ["emit", 1], ["talk", 0.2, 0, props.number()]]
    deeds = [props.ask(0.05, key, number, program)]
    deeds += [
        Deed(at=props.moment(0.1, 1.5), what="listen", given=[0, stream]) for stream in random.sample(["a", "b", ""], 2)
    ]
    if random.random() < 0.4:
        deeds.append(props.restart(props.moment(0.5, 3.0), number, random.choice([0.0, 0.5, 0.9, "end"])))
    elif random.random() < 0.3:
        deeds.append(props.steer(props.moment(0.2, 1.0), "cancel", number, kill_after=None))
    else:
        deeds.append(props.steer(props.moment(3.0, 3.9), "purge", number))
    return Scene(deeds=deeds, seconds=random.choice([props.moment(0.2, 1.5), 4.0]), weather=Weather(latency=0.02))
