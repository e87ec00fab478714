"""What a verb takes is said once: every face of it offers the same options, with the same limits and defaults."""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click
import msgspec
import pytest

import actors
from actors.core.jobs import JobVerb
from actors.http.console import __file__ as console
from actors.http.server import verbs as routes
from actors.model.handles import InvocationHandle
from actors.model.verb_options import (
    OPTIONS_OF,
    CancelOptions,
    PauseOptions,
    RestartOptions,
    ResumeOptions,
    SignalOptions,
)
from actors.model.verb_options_json import options_as_json, parse_options
from actors.values import Written
from cli.commands.verbs import VERBS
from cli.main import root
from journal.events import Children, PauseMode, Stop
from journal.ids import InvocationId

if typing.TYPE_CHECKING:
    from actors.model.verb_options import VerbOptions

OF = InvocationId("inv_1" + "0" * 33)

EXAMPLES: tuple[VerbOptions, ...] = (
    CancelOptions(reason="no", children="all", kill_after=1.5),
    PauseOptions(mode="now"),
    ResumeOptions(deployment="latest", check=False, budget={"usd": "0.5", "tokens": 3}),
    RestartOptions(from_step="end", input={"a": 2**70}, stop="kill", hand_over=False, again=True, dry_run=True),
    RestartOptions(input=(1, 2)),
    SignalOptions(name="approved", value={"left": 3}, error="no"),
    *(kind() for verb, kind in OPTIONS_OF.items() if verb is not JobVerb.SIGNAL),
)

every_verb = pytest.mark.parametrize("verb", JobVerb)


def fields_of(kind: type[Any]) -> dict[str, attrs.Attribute[Any]]:
    return attrs.fields_dict(kind)


# In Python.


@every_verb
def test_the_method_of_a_handle_takes_the_options_of_its_class(verb: JobVerb) -> None:
    taken = {*inspect.signature(getattr(InvocationHandle, verb.value)).parameters} - {"self", "idempotency_key"}
    extra = {"dry_run"} if verb is JobVerb.RESUME else set()  # it answers with the report of a check
    assert taken == {*fields_of(OPTIONS_OF[verb])} - {"json_loses"} | extra


@pytest.mark.parametrize("options", EXAMPLES, ids=str)
def test_options_are_the_same_after_a_way_as_json(options: VerbOptions) -> None:
    body = msgspec.json.decode(msgspec.json.encode(options_as_json(options)))
    if isinstance(options, RestartOptions) and options.input is not None:
        body["input"] = Written(options.input.data)  # large numbers have a reader of their own
    read = attrs.evolve(msgspec.convert(body, type(options)))
    assert read.command(OF) == options.command(OF)


@pytest.mark.parametrize(
    ("verb", "given", "path"),
    [
        (JobVerb.KILL, {"reasn": "x"}, "$.options"),
        (JobVerb.PURGE, {"reason": "x"}, "$.options"),
        (JobVerb.SIGNAL, {"value": 1}, "$.options"),
        (JobVerb.CANCEL, {"children": "some"}, "children"),
        (JobVerb.PAUSE, {"mode": 1}, "mode"),
        (JobVerb.RESTART, {"from_step": ""}, "from_step"),
        (JobVerb.RESTART, {"hand_over": "no"}, "hand_over"),
        (JobVerb.RESTART, {"again": 1}, "again"),
    ],
)
def test_wrong_options_are_refused_by_their_names(verb: JobVerb, given: dict[str, Any], path: str) -> None:
    with pytest.raises(actors.InvalidArgumentError) as refused:
        parse_options(verb, given)
    assert refused.value.path == path


def test_null_that_was_a_value_in_python_is_not_taken_for_no_input() -> None:
    sent = RestartOptions(input=Written(b"null", "$ of type Nothing #1"))
    body = msgspec.json.decode(msgspec.json.encode(options_as_json(sent)))
    assert attrs.evolve(msgspec.convert(body, RestartOptions)).command(OF) == sent.command(OF)


# Over HTTP.


def test_the_bodies_of_verbs_are_the_classes_of_their_options() -> None:
    bodies = {route.body for route in routes.ROUTES if attrs.has(route.body or int)}
    assert bodies == {kind for verb, kind in OPTIONS_OF.items() if verb not in (JobVerb.SIGNAL, JobVerb.PURGE)}


@pytest.mark.parametrize("kind", [kind for verb, kind in OPTIONS_OF.items() if verb is not JobVerb.SIGNAL])
def test_every_option_is_described_in_the_schema(kind: type[VerbOptions]) -> None:
    for name, field in fields_of(kind).items():
        annotation, described = unwrapped(typing.get_type_hints(kind, include_extras=True)[name])
        assert described or name == "json_loses"
        assert annotation in (str, bool, float, Any, Children, PauseMode, Stop, Mapping[str, int | str])
        assert field.default is not attrs.NOTHING


# On the command line.


def unwrapped(annotation: Any) -> tuple[Any, str]:
    """A type without what is said of it, and its description, the outermost one."""
    described = ""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation, *said = typing.get_args(annotation)
            described = described or next((meta.description for meta in reversed(said) if meta.description), "")
        elif origin in (typing.Union, types.UnionType):
            (annotation,) = (kind for kind in typing.get_args(annotation) if kind is not type(None))
        else:
            return annotation, described


OF_EVERY_COMMAND = {
    "which",
    "condition",
    "output",
    "rate",
    "dry_run",
    "yes",
    "detach",
    "url",
    "token",
    "data",
    "ca",
    "context",
    "tags",
}
SAID_OTHERWISE = {"hand_over", "check", "input", "budget"}
"""Help that says more than the schema: of a flag that turns off, and of what is for ids alone, or may be repeated."""

commands = pytest.mark.parametrize(
    "command", [verb for verb in VERBS if verb.name != "signal"], ids=lambda command: command.name
)


@commands
def test_a_command_offers_the_options_of_its_class(command: click.Command) -> None:
    kind = OPTIONS_OF[JobVerb(command.name)]
    offered = {param.name: param for param in command.params if param.name not in OF_EVERY_COMMAND}
    assert {*offered} == {*fields_of(kind)} - {"json_loses", "dry_run"}
    given = command.make_context(command.name, [], **root.context_settings).params
    for name, option in offered.items():
        assert isinstance(option, click.Option)
        default, annotation = fields_of(kind)[name].default, typing.get_type_hints(kind, include_extras=True)[name]
        base, described = unwrapped(annotation)
        assert option.help == described or name in SAID_OTHERWISE
        if isinstance(option.type, click.Choice):
            assert tuple(option.type.choices) == tuple(member.value for member in base)
        assert given[name] == (default.value if isinstance(default, enum.Enum) else default)


# In the console.


def test_the_console_offers_options_of_their_classes() -> None:
    source = (Path(console).parent / "static" / "ui" / "verbs.js").read_text()
    offered = dict(re.findall(r'name: "(\w+)",.*?options: \[(.*?)\],?\n', source, re.DOTALL))
    assert offered.keys() >= {verb.value for verb in JobVerb if verb not in (JobVerb.SIGNAL, JobVerb.RESTART)}
    for verb, options in offered.items():
        assert {*re.findall(r"\w+", options)} <= {*fields_of(OPTIONS_OF[JobVerb(verb)])}
