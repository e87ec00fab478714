"""The timeline of an invocation, from its events: the page's own module, run by node."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Workflow, handler, step, update
from tests.console.tools import NO_NPM, STATIC
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.model.history import JournalEntry

pytestmark = on_virtual_time

PROGRAM = """
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
const { timelineOf } = await import(pathToFileURL(process.argv[1]));
console.log(JSON.stringify(timelineOf(JSON.parse(readFileSync(0, "utf8"))).spans));
"""


@step
async def label(address: str) -> str:
    return address


class Order(Workflow):
    @handler
    async def run(self) -> None:
        await actors.signal("paid")

    @update
    async def move(self, address: str) -> str:
        return await label(address)

    @update
    async def wait(self) -> None:
        await actors.signal("never")


def spans_of(entries: list[JournalEntry]) -> list[dict[str, Any]]:
    node = shutil.which("node")
    if node is None:
        pytest.skip(NO_NPM)
    told = [
        {
            "number": e.number,
            "at": e.at,
            "by": e.by,
            "cause": e.cause,
            "name": e.name,
            "summary": e.summary,
            "details": e.details,
        }
        for e in entries
    ]
    command = [node, "--input-type=module", "-e", PROGRAM, str(STATIC / "lib" / "timeline.js")]
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=True, timeout=60)
    spans: list[dict[str, Any]] = json.loads(done.stdout)
    return spans


async def test_an_update_is_an_operation_of_its_run_with_its_steps_below_it() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "7")
        run = await order.run.send()
        await order.move("New Street")
        await order.wait.send()
        entries = [entry async for entry in run.events()]
    found = [(span["step"], span["kind"], span["name"], span["state"], span["depth"]) for span in spans_of(entries)]
    assert found == [
        ("1", "signal", "paid", "open", 0),
        ("u1", "update", "move", "succeeded", 0),
        ("u1.1", "step", "label", "succeeded", 1),
        ("u2", "update", "wait", "open", 0),
        ("u2.1", "signal", "never", "open", 1),
    ]
