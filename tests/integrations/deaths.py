"""Runs an example in processes that are killed with SIGKILL as soon as one more step is recorded, until the example ends. ::

    python -m tests.integrations.deaths FOLDER MODULE:SERVICE.HANDLER ARGUMENT MODULE:CLASS.METHOD SIGNALS

The fourth word names the method, or with ``MODULE:NAME`` the function, that asks the model. Each of its calls is written to a file, with the key of its step, so they are
counted outside of the process. The frameworks are imported once, and each life is a fork, which makes it cheap.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import trio

import actors
import actors.runtime  # it is imported at its first use: once here, and not in each life
from tests.terminal import ROOT

MOST_LIVES = 60


@attrs.frozen
class Story:
    """How the example ended. ``asked`` are the steps of all model calls, in order; ``asked_again`` those that were recorded before."""

    kills: int
    recorded: list[str]
    asked: list[str]
    asked_again: list[str]
    result: Any


def killed_at_each_recorded_step(
    folder: Path, handler: str, argument: Any, counted: str, signals: dict[str, Any] | None = None
) -> Story:
    """Tell the whole story, in a process of its own. The ``signals`` are sent in the first life."""
    words = [str(folder), handler, json.dumps(argument), counted, json.dumps(signals or {})]
    done = subprocess.run(
        [sys.executable, "-m", "tests.integrations.deaths", *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Story(**json.loads(done.stdout))


def _tell(folder: Path, handler: str, argument: Any, counted: str, signals: dict[str, Any]) -> Story:
    service, name = _found(handler)
    calls = folder / "calls"
    calls.touch()
    _count(counted, calls)
    recorded: list[str] = []
    again: list[str] = []
    for kills in range(MOST_LIVES):
        known, before = set(recorded), len(calls.read_text().splitlines())
        reading, writing = os.pipe()
        life = os.fork()
        if life == 0:
            os.close(reading)
            trio.run(_live, folder / "data", service, name, argument, {} if kills else signals, writing)
            os._exit(0)
        os.close(writing)
        result = None
        with os.fdopen(reading) as said:
            for line in said:
                kind, value = json.loads(line)
                if kind == "result":
                    result = (value,)
                elif value not in known:
                    recorded.append(value)
                    break
        if result is None:
            os.kill(life, signal.SIGKILL)
        os.waitpid(life, 0)
        asked = [key.rpartition("/")[2] for key in calls.read_text().splitlines()]
        again += [step for step in asked[before:] if step in known]
        if result is not None:
            return Story(kills, recorded, asked, again, result[0])
    raise AssertionError(f"the example did not end in {MOST_LIVES} lives")


def _found(text: str) -> tuple[Any, str]:
    """Return the class, or the module, and the name that ``MODULE:CLASS.NAME`` or ``MODULE:NAME`` means."""
    module, _, path = text.partition(":")
    owner, _, name = path.rpartition(".")
    found = import_module(module)
    return (getattr(found, owner) if owner else found), name


def _count(counted: str, calls: Path) -> None:
    kind, name = _found(counted)
    ask = getattr(kind, name)

    async def counting(*args: Any, **options: Any) -> Any:
        with calls.open("a") as file:
            print(actors.step_key(), file=file)
        return await ask(*args, **options)

    setattr(kind, name, counting)


async def _live(data: Path, service: Any, name: str, argument: Any, signals: dict[str, Any], writing: int) -> None:
    async with actors.open_runtime(service, path=data, durability="os", code=None) as runtime:
        send = getattr(runtime.client.service(service), name).options(idempotency_key="once").send
        sent = await (send(**argument) if isinstance(argument, dict) else send(argument))
        for signalled, value in signals.items():
            await sent.signal(signalled, value)
        async for entry in sent.follow():
            if entry.name == "StepCompleted":
                os.write(writing, json.dumps(["recorded", entry.details["step"]]).encode() + b"\n")
        os.write(writing, json.dumps(["result", await sent.result()]).encode() + b"\n")


if __name__ == "__main__":
    folder, handler, argument, counted, signals = sys.argv[1:]
    story = _tell(Path(folder), handler, json.loads(argument), counted, json.loads(signals))
    print(json.dumps(attrs.asdict(story)))
