"""Cut a plan that breaks a law down to what it takes to break it, and tell it as a short story."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from tests.simulation.disk import Weather
from tests.simulation.storm import play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.plan import Life, Plan


def shrunk(plan: Plan, law: str, *, seconds: float = 30.0) -> Plan:
    """A plan as small as can be found in this time that breaks the same law."""
    until = time.monotonic() + seconds
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for candidate in _smaller(plan):
            if time.monotonic() > until:
                return plan
            if any(name == law for name, _ in play(candidate).broken):
                plan, is_smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """The plan with less in it: the largest cuts first."""
    lives = plan.lives
    for at in range(len(lives)):
        if len(lives) > 1:
            yield attrs.evolve(plan, lives=[*lives[:at], *lives[at + 1 :]])
    for at, life in enumerate(lives):
        for less in _smaller_life(life):
            yield attrs.evolve(plan, lives=[*lives[:at], less, *lives[at + 1 :]])
    for name in plan.limits:
        yield attrs.evolve(plan, limits={key: value for key, value in plan.limits.items() if key != name})
    if plan.partitions > 1:
        yield attrs.evolve(plan, partitions=1)


def _smaller_life(life: Life) -> Iterator[Life]:
    deeds = life.deeds
    size = len(deeds) // 2
    while size:
        for at in range(0, len(deeds), size):
            yield attrs.evolve(life, deeds=[*deeds[:at], *deeds[at + size :]])
        size //= 2
    calm, weather = Weather(), life.weather
    for name in ("fates", "full", "stalls", "latency", "shows_early", "misreads"):
        if getattr(weather, name) != getattr(calm, name):
            yield attrs.evolve(life, weather=attrs.evolve(weather, **{name: getattr(calm, name)}))
    for commit in weather.fates:
        if len(weather.fates) > 1:
            fates = {key: value for key, value in weather.fates.items() if key != commit}
            yield attrs.evolve(life, weather=attrs.evolve(weather, fates=fates))
    for at, deed in enumerate(deeds):
        for where, given in enumerate(deed.given):
            if isinstance(given, list) and given:
                less = [*deed.given[:where], given[1:], *deed.given[where + 1 :]]
                yield attrs.evolve(life, deeds=[*deeds[:at], attrs.evolve(deed, given=less), *deeds[at + 1 :]])


def story(plan: Plan, law: str, text: str) -> str:
    """The plan in words, and the law that it breaks."""
    limits = ", ".join(f"{name} {value}" for name, value in plan.limits.items()) or "none"
    lines = [f"seed {plan.seed}, {plan.partitions} partition(s); limits: {limits}"]
    for number, life in enumerate(plan.lives, 1):
        weather = {k: v for k, v in attrs.asdict(life.weather).items() if v}
        lines.append(f"process {number}" + (f", disk: {weather}" if weather else ""))
        for deed in sorted(life.deeds, key=lambda deed: deed.at):
            death = f"; the process dies {deed.dies} the next commit" if deed.dies else ""
            lines.append(f"  {deed.at:5.2f} s  {deed.what} {' '.join(map(str, deed.given))}{death}")
        lines.append(f"  {life.seconds:5.2f} s  the process dies")
    return "\n".join([*lines, f"then this does not hold: {law}", f"  {text}"])
