"""Whole asyncio programs: a web app under uvicorn, a notebook, tests with pytest-asyncio, and programs that are interrupted."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.children import python_path
from tests.terminal import ROOT
from tests.test_readme import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_SECONDS = 60.0

ENVIRONMENT = {**os.environ, "PYTHONPATH": python_path(ROOT)}

APP = """
import actors
from actors import Actor, Service, handler


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@contextmanager
def started(folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program in the folder, killed if it does not end with the block."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    command = [sys.executable, "program.py"]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )


def printed_line(process: subprocess.Popen[str], pattern: str) -> str:
    """Wait until the program has written a line that matches to standard error, and return the match."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[0]
    pytest.fail("".join(lines))


def post(url: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=LONGEST_SECONDS) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_web_app_of_the_readme_keeps_its_data_under_uvicorn(tmp_path: Path, loop: str) -> None:
    if loop == "uvloop" and find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    for block in blocks():
        if block.language == "python" and block.lines[0] in ("# app.py", "# web.py"):
            (tmp_path / block.lines[0].removeprefix("# ")).write_text("\n".join(block.lines) + "\n")
    for total in ("5", "10"):
        with started(tmp_path, "-m", "uvicorn", "web:web", "--port", "0", "--loop", loop) as server:
            url = printed_line(server, r"http://127\.0\.0\.1:\d+")
            assert post(f"{url}/counters/alice/add?amount=5") == total
            with urllib.request.urlopen(f"{url}/playhead/ui/", timeout=LONGEST_SECONDS) as page:
                assert page.headers.get_content_type() == "text/html"
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=LONGEST_SECONDS)


def test_a_notebook_keeps_a_runtime_open_across_cells(tmp_path: Path) -> None:
    cells = [
        "import contextlib, actors\nfrom tests.aio.programs import Wallet\nstack = contextlib.AsyncExitStack()",
        "runtime = await stack.enter_async_context(actors.aio.open_runtime(Wallet, path=folder / 'data'))",
        "first = await runtime.client.actor(Wallet, 'a').add(5)",
        "second = await runtime.client.actor(Wallet, 'a').add(5)",
        "await stack.aclose()",
    ]
    names: dict[str, Any] = {"folder": tmp_path}
    loop = asyncio.new_event_loop()
    try:
        for cell in cells:  # as IPython and `python -m asyncio` run them, each in a task of its own
            code = compile(cell, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            made = eval(code, names)
            if inspect.iscoroutine(made):
                loop.run_until_complete(asyncio.wait_for(made, LONGEST_SECONDS))
    finally:
        loop.close()
    assert (names["first"], names["second"]) == (5, 10)


TESTS = """
import asyncio

import pytest
import pytest_asyncio

import actors
from app import Counter, Waiter


@pytest_asyncio.fixture
async def client():
    async with actors.aio.open_runtime(Counter, Waiter, durability="memory") as runtime:
        yield runtime.client


@pytest.mark.asyncio
async def test_it_counts(client):
    assert await client.actor(Counter, "a").add(5) == 5


@pytest.mark.asyncio
async def test_it_waits(client):
    task = await client.service(Waiter).wait.send()
    waits = asyncio.ensure_future(task.result())
    await task.signal("go", "now")
    assert await waits == "now"
"""


@pytest.mark.skipif(find_spec("pytest_asyncio") is None, reason="pytest-asyncio is not installed")
def test_a_fixture_of_pytest_asyncio_opens_a_runtime(folder: Path) -> None:
    (folder / "test_app.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:trio", "-p", "no:cacheprovider", "test_app.py"]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_an_interrupt_leaves_the_block_and_ends_the_program(folder: Path) -> None:
    (folder / "program.py").write_text(
        "import asyncio, sys, actors\n"
        "from app import Waiter\n"
        "async def main():\n"
        "    async with actors.aio.open_runtime(Waiter, path='data') as runtime:\n"
        "        task = await runtime.client.service(Waiter).wait.send()\n"
        "        print('waits', file=sys.stderr, flush=True)\n"
        "        try:\n"
        "            await task.result()\n"
        "        finally:\n"
        "            print('leaves', file=sys.stderr, flush=True)\n"
        "asyncio.run(main())\n"
    )
    for _ in range(2):  # the second opens the directory again, so the first has closed it
        with started(folder, "program.py") as process:
            printed_line(process, "waits")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=LONGEST_SECONDS)
        assert said.startswith("leaves\n")
        assert said.splitlines()[-1] == "KeyboardInterrupt"
        assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("end", ["raise ValueError('at the end')", "return"])
def test_a_program_that_ends_in_its_block_keeps_its_work(folder: Path, end: str) -> None:
    program = (
        "import asyncio, actors\n"
        "from app import Counter\n"
        "async def main():\n"
        "    block = actors.aio.open_runtime(Counter, path='data')\n"
        "    runtime = await block.__aenter__()\n"  # and never leaves it
        "    print(await runtime.client.actor(Counter, 'a').add(5))\n"
        f"    {end}\n"
        "asyncio.run(main())\n"
    )
    assert [run(folder, program).stdout for _ in range(2)] == ["5\n", "10\n"]


def test_importing_actors_aio_imports_neither_a_store_nor_an_http_client() -> None:
    code = "import sys, actors.aio\nprint(sorted({'asyncio', 'httpx2', 'rocksdict', 'trio.testing'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
