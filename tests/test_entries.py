"""Everything that users call, read from its signature: what each parameter is given in vain, and that it is refused by its name.

A parameter that is added is tried without a line here; one that is a number, and neither a time nor a count, must be listed.
"""

from __future__ import annotations

import inspect
import math
import re
import types
import typing
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec
import pytest

import actors
from actors import Actor, CancelScope, Limits, Log, RetryPolicy, handler, step
from actors.control.client import Client
from actors.control.cluster import ClusterClient
from actors.control.deployments import DeploymentClient
from actors.control.gates import GateClient
from actors.control.jobs import JobClient, JobHandle, JobSelection
from actors.control.limits import LimitClient
from actors.control.notifications import NotificationClient, NotificationHandle
from actors.control.objects import ObjectHandle
from actors.control.schedules import ScheduleClient, ScheduleHandle
from actors.http.client.backend import connect
from actors.http.server.app import ROUTES
from actors.model.handlers import shared, update
from actors.model.handles import InvocationHandle
from actors.model.references import BoundHandler
from actors.model.verbs.steps import run
from actors.runtime import open_runtime
from actors.values.texts import shown
from cli.main import root
from journal.events import Target
from tests.http.served import serving
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOT_UTF8 = "caf\udce9.txt"
WRONG: dict[str, list[Any]] = {
    "Seconds": [math.nan, math.inf, -math.inf, -1, True, "5", 10**400],
    "Instant": [math.nan, math.inf, -math.inf, True, "5", 10**400],
    "float": [math.nan, math.inf, -math.inf, -1, 0, True, "5", 10**400],
    "int": [True, -1, 2**64, 1.5, "5"],
    "str": [NOT_UTF8, 5, 10**5000],
}
NUMBERS_THAT_ARE_NO_TIMES = {"rate", "factor"}
CODE = {"app", "code"}
"""What names code is looked for on disk, or imported: what is not there is a ``DefinitionError``."""

CLASSES = (
    Client,
    InvocationHandle,
    GateClient,
    LimitClient,
    ClusterClient,
    DeploymentClient,
    JobClient,
    JobSelection,
    JobHandle,
    NotificationClient,
    NotificationHandle,
    ObjectHandle,
    ScheduleClient,
    ScheduleHandle,
    BoundHandler,
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "handler": handler,
    "shared": shared,
    "update": update,
    "step": step,
    "RetryPolicy": RetryPolicy,
    "Limits": Limits,
    "CancelScope": CancelScope,
}
IN_HANDLERS = {
    "call",
    "send",
    "run",
    "sleep",
    "sleep_until",
    "move_on_after",
    "move_on_at",
    "fail_after",
    "fail_at",
    "signal",
    "ask",
    "patched",
    "actor",
    "workflow",
}
"""Verbs; ``tests/engine/test_entries.py`` has handlers that use them."""

OTHERWISE = {
    "spend",
    *("invocation", "workflow_id", "connect", "open_runtime", "open_directory", "service", "field"),
    *("set_attributes", "set_status_text", "heartbeat", "emit", "log_processor", "lock"),
}
"""Tried below, in tests of their own, or without such a parameter."""


class Counter(Actor):
    value: int = 0
    log: Log[int]

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @handler
    async def wait(self) -> None:
        await actors.signal("go")


class Entry(NamedTuple):
    owner: str
    function: str
    parameter: str
    kind: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.function}({self.parameter})"


def kind_of(annotation: object) -> str | None:
    """What a parameter is, of those that can be wrong: ``str | None`` is a text, a list of texts is not."""
    parts = [part.strip() for part in str(annotation).split("|")]
    return next((kind for kind in WRONG if kind in parts), None)


def entries_of(owner: str, name: str, function: Callable[..., Any]) -> Iterator[Entry]:
    for parameter in inspect.signature(function).parameters.values():
        kind = kind_of(parameter.annotation)
        if kind is not None and parameter.name not in CODE and not parameter.kind.name.startswith("VAR"):
            yield Entry(owner, name, parameter.name, kind)


def methods_of(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in vars(cls).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield name, member


METHODS = [
    entry for cls in CLASSES for name, method in methods_of(cls) for entry in entries_of(cls.__name__, name, method)
]
CALLS = [entry for name, function in FUNCTIONS.items() for entry in entries_of("actors", name, function)]


async def owners(client: Client) -> dict[str, Any]:
    waiting = await client.actor(Counter, "w").wait.send()
    job = await client.jobs.where("key = 'nothing'").pause()
    return {
        "Client": client,
        "InvocationHandle": waiting,
        "GateClient": client.gates,
        "LimitClient": client.limits,
        "ClusterClient": client.cluster,
        "DeploymentClient": client.deployments,
        "JobClient": client.jobs,
        "JobSelection": client.jobs.where("key = 'nothing'"),
        "JobHandle": job,
        "ScheduleClient": client.schedules,
        "ScheduleHandle": await client.schedules.create("s", "Counter/a/add", 1, every=3600),
        "NotificationClient": client.notifications,
        "NotificationHandle": await client.notifications.create("n", "http://127.0.0.1:1/", on="failed"),
        "ObjectHandle": client.object(Counter, "a"),
        "BoundHandler": client.actor(Counter, "a").add,
        "id": waiting.id,
    }


def given_in_vain(entry: Entry, method: Callable[..., Any], wrong: Any, of: str) -> dict[str, Any]:
    """Arguments of which one is wrong."""
    right = {
        "cls": actors.Workflow if entry.function == "workflow" else Counter,
        "key": "a",
        "of": of,
        "target": Target("Counter", "a", "add"),
        "sql": "select 1",
        "scope": "everything",
        "url": "http://127.0.0.1:1/",
        "on": "failed",
        "name": "go",
        "deployment": "latest",
        "path": "app.py",
        "ids": [of],
        "start": 0.0,
        "end": 1.0,
        "job": "job_1",
        "predicate": "true",
        "verb": "pause",
        "options": {},
        "node": "n1",
        "partition": 1,
        "field": "value",
        "choice": None,
    }
    parameters = list(inspect.signature(method).parameters.values())
    needed = {p.name: right[p.name] for p in parameters if p.default is p.empty and p.name in right}
    return {**needed, entry.parameter: wrong}


async def refusal_of(owner: Any, entry: Entry, wrong: Any, of: str) -> BaseException | None:
    method = getattr(owner, entry.function)
    try:
        answer = method(**given_in_vain(entry, method, wrong, of))
        if inspect.isawaitable(answer):
            await answer
    except Exception as error:
        return error
    return None


def is_named(error: BaseException | None, entry: Entry) -> bool:
    """Whether it is refused by its name."""
    if entry.function == "workflow" or (
        entry.parameter == "cls" and not isinstance(error, actors.InvalidArgumentError)
    ):
        return isinstance(error, actors.errors.DefinitionError)  # what is no class, or not one of this kind
    return isinstance(error, actors.InvalidArgumentError) and error.path == entry.parameter


@on_virtual_time
@pytest.mark.parametrize("entry", METHODS, ids=str)
async def test_a_client_refuses_what_is_wrong_by_its_name(entry: Entry) -> None:
    async with Lab(Counter).running() as runtime:
        found = await owners(runtime.client)
        for wrong in WRONG[entry.kind]:
            error = await refusal_of(found[entry.owner], entry, wrong, found["id"])
            assert is_named(error, entry), f"{shown(wrong)}: {error!r}"
        assert await runtime.client.actor(Counter, "b").add(1) == 1


async def test_a_client_far_away_refuses_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, served.client() as client:
        found = await owners(client)
        for entry in METHODS:
            for wrong in WRONG[entry.kind]:
                error = await refusal_of(found[entry.owner], entry, wrong, found["id"])
                assert is_named(error, entry), f"{entry} {shown(wrong)}: {error!r}"
        assert await client.actor(Counter, "b").add(1) == 1


@pytest.mark.parametrize("entry", CALLS, ids=str)
def test_a_declaration_refuses_what_is_wrong_by_its_name(entry: Entry) -> None:
    # A scope without a deadline has an infinite one, as in trio.
    has_none = {math.inf} if entry.parameter in ("deadline", "relative") else set()
    for wrong in (value for value in WRONG[entry.kind] if value not in has_none):
        with pytest.raises((actors.InvalidArgumentError, actors.errors.DefinitionError)) as caught:
            FUNCTIONS[entry.function](**{entry.parameter: wrong})
        # What a class or a handler is called is part of its definition, and must be an identifier.
        is_definition = entry.function in ("handler", "shared", "update") and entry.parameter == "name"
        assert is_definition or getattr(caught.value, "path", "") == entry.parameter


@pytest.mark.parametrize("name", ["retention", "partitions", "durability"])
async def test_a_runtime_is_not_opened_with_what_is_wrong(name: str) -> None:
    kind = {"retention": "Seconds", "partitions": "int", "durability": "str"}[name]
    for wrong in WRONG[kind]:
        with pytest.raises(actors.InvalidArgumentError) as caught:
            async with open_runtime(Counter, **{"durability": "memory", name: wrong}):
                pass
        assert caught.value.path == name


@pytest.mark.parametrize("name", ["url", "token", "user"])
async def test_no_connection_is_made_with_what_is_wrong(name: str) -> None:
    for wrong in [*WRONG["str"], *{"token": ["é", "a\nb", ""], "url": ["http://[::1", "http://a:b"]}.get(name, [])]:
        with pytest.raises(actors.InvalidArgumentError) as caught:
            async with connect(**{"url": "http://127.0.0.1:9", name: wrong}):
                pass
        assert caught.value.path == name


async def test_an_empty_variable_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYHEAD_TOKEN", "")
    async with connect("http://127.0.0.1:9"):
        pass


def test_ids_and_keys_are_checked_outside_of_handlers_too() -> None:
    class Once(actors.Workflow):
        @handler
        async def run(self) -> None: ...

    for wrong in (NOT_UTF8, "", None, 5):
        with raises(actors.InvalidArgumentError, path="key"):
            actors.workflow_id(Once, wrong)  # type: ignore[arg-type]


# So that nothing is forgotten.


def everything_called() -> Iterator[tuple[str, Callable[..., Any]]]:
    for cls in CLASSES:
        yield from ((f"{cls.__name__}.{name}", method) for name, method in methods_of(cls))
    for name in actors.__all__:
        member = getattr(actors, name)
        if inspect.isfunction(member):
            yield name, member
    yield from (("RetryPolicy", RetryPolicy), ("Limits", Limits), ("CancelScope", CancelScope), ("run", run))


def test_a_number_in_a_signature_is_a_time_or_is_listed() -> None:
    floats = {
        (where, parameter.name)
        for where, function in everything_called()
        for parameter in inspect.signature(function).parameters.values()
        if kind_of(parameter.annotation) == "float"
    }
    assert {name for _, name in floats} == NUMBERS_THAT_ARE_NO_TIMES, (
        "annotate a duration as Seconds, a date as Instant"
    )


def test_a_parameter_that_is_called_as_a_time_is_one() -> None:
    times = re.compile(r"seconds|timeout|delay|retention|deadline|_after\Z|\Await\Z|\Aat\Z")
    for where, function in everything_called():
        for parameter in inspect.signature(function).parameters.values():
            if times.search(parameter.name) and kind_of(parameter.annotation) != "int":
                assert kind_of(parameter.annotation) in ("Seconds", "Instant"), f"{where}({parameter.name})"


def test_every_function_with_such_a_parameter_is_tried_somewhere() -> None:
    with_some = {
        name
        for name in actors.__all__
        if inspect.isfunction(getattr(actors, name)) and list(entries_of("", name, getattr(actors, name)))
    }
    assert with_some - FUNCTIONS.keys() - IN_HANDLERS - OTHERWISE == set()


def test_every_class_with_such_methods_is_tried() -> None:
    spaces = (actors, actors.types)
    promised = {value for space in spaces for name in space.__all__ if inspect.isclass(value := getattr(space, name))}
    with_some = {
        cls for cls in promised for name, method in methods_of(cls) if list(entries_of(cls.__name__, name, method))
    }
    # What a nursery is given names a branch, for people. Handlers are tried with their calls, limits where they are made, and an
    # offline client's ids in tests/engine/test_recordings.py.
    assert {cls.__name__ for cls in with_some - {*CLASSES}} <= {
        *("Nursery", "BoundHandler", "Handler", "ServerLimits", "OfflineClient")
    }


def test_every_number_over_http_has_bounds() -> None:
    """NaN is in none."""
    for route in ROUTES:
        for model in filter(None, (route.query, route.body)):
            hints = typing.get_type_hints(model, include_extras=True) if isinstance(model, type) else {}
            for name, hint in hints.items():
                for bounds in bounds_in(hint):
                    assert bounds.le is not None, f"{route.path}: {name}"
                    assert (bounds.ge, bounds.gt) != (None, None), f"{route.path}: {name}"


def bounds_in(hint: Any) -> Iterator[msgspec.Meta]:
    """The bounds of each number that a value may be; of one in a container none are asked."""
    if hint in (int, float):
        yield msgspec.Meta()
    elif typing.get_origin(hint) is typing.Annotated and typing.get_args(hint)[0] in (int, float):
        yield from (meta for meta in typing.get_args(hint)[1:] if isinstance(meta, msgspec.Meta))
    elif typing.get_origin(hint) in (types.UnionType, typing.Union):
        for part in typing.get_args(hint):
            yield from bounds_in(part)


def test_no_option_of_a_command_is_any_number() -> None:
    """``FLOAT`` and an open range take NaN and infinity."""

    def options(command: click.Command, path: str) -> Iterator[tuple[str, click.Parameter]]:
        yield from ((path, option) for option in command.params)
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                inner = command.get_command(click.Context(command), name)
                assert inner is not None
                yield from options(inner, f"{path} {name}")

    loose = [f"{path} {option.name}" for path, option in options(root, "playhead") if option.type == click.FLOAT]
    assert loose == []
