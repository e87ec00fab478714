"""A pytest plugin that says how much processor time each folder of tests takes: ``-p tests.budget --cpu-file FILE``.

Wall time depends on who else uses the machine; processor time hardly does. It is counted per file, for this process with all of
its threads and for the processes that it has started and waited for. Workers of pytest-xdist hand theirs to the process that
distributes the tests.

``tests/README.md`` has a budget for each folder. The table shows it beside what was used. A folder over its budget does not fail,
as machines differ: it is marked, for a reader to see that a change has made it dearer.
"""

from __future__ import annotations

import json
import re
import resource
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

ROOT = Path(__file__).parents[1]
README = ROOT / "tests" / "README.md"
START = "(start and collection)"
_ROW = re.compile(r"^\| `(?P<folder>[\w*.]+)` \|.*\| (?P<seconds>\d+) s \|", re.MULTILINE)


@attrs.define
class Spent:
    """By file: how many tests have run, and the seconds of the processor that they took."""

    tests: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    seconds: dict[str, float] = attrs.field(factory=lambda: defaultdict(float))

    def add(self, other: Mapping[str, Mapping[str, float]]) -> None:
        """Add the figures of another process, in the form that :meth:`plain` gives."""
        for file, count in other["tests"].items():
            self.tests[file] += int(count)
        for file, seconds in other["seconds"].items():
            self.seconds[file] += seconds

    def plain(self) -> dict[str, dict[str, float]]:
        """As JSON has it."""
        return {"tests": dict(self.tests), "seconds": dict(self.seconds)}


def processor_seconds() -> float:
    """User and system time of this process and of all children that it has waited for."""
    of = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in of)


class Meter:
    """The plugin, in a worker and in the process that distributes the tests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spent = Spent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if START not in self._spent.seconds:
            self._spent.seconds[START] += processor_seconds()
        before = processor_seconds()
        try:
            return (yield)
        finally:
            file = item.nodeid.partition("::")[0]
            self._spent.tests[file] += 1
            self._spent.seconds[file] += processor_seconds() - before

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._spent.add(getattr(node, "workeroutput", {}).get("spent", Spent().plain()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["spent"] = self._spent.plain()
        else:
            self._path.write_text(json.dumps(self._spent.plain()))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cpu-file", type=Path, help="Write the processor time of each file of tests into this file.")


def pytest_configure(config: pytest.Config) -> None:
    if (path := config.getoption("--cpu-file")) is not None:
        config.pluginmanager.register(Meter(path))


# The table.


def folder_of(file: str) -> str:
    """The row of the map that a file belongs to: its folder, or ``*`` for a file that is in none."""
    parts = Path(file).parts
    return file if file == START else parts[1] if len(parts) > 2 else "*"


def budgets() -> dict[str, int]:
    """The seconds of each folder, from the map in ``tests/README.md``."""
    return {row["folder"]: int(row["seconds"]) for row in _ROW.finditer(README.read_text())}


def table(lanes: Mapping[str, Spent]) -> Iterable[str]:
    """The lines of the table: a folder with its tests, its seconds and its budget, the dearest first, and each lane's sum."""
    total = Spent()
    for spent in lanes.values():
        for file, seconds in spent.seconds.items():
            total.tests[folder_of(file)] += spent.tests.get(file, 0)
            total.seconds[folder_of(file)] += seconds
    budget = budgets()
    yield f"{'folder':24}{'tests':>8}{'CPU s':>8}{'budget':>8}"
    for folder, used in sorted(total.seconds.items(), key=lambda item: -item[1]):
        limit = budget.get(folder)
        mark = "  over" if limit is not None and used > limit else ""
        yield f"{folder:24}{total.tests[folder]:8}{used:8.0f}{'' if limit is None else limit:>8}{mark}"
    yield f"{'all':24}{sum(total.tests.values()):8}{sum(total.seconds.values()):8.0f}{sum(budget.values()):8}"
    for lane, spent in lanes.items():
        yield f"  {lane:22}{sum(spent.tests.values()):8}{sum(spent.seconds.values()):8.0f}"
