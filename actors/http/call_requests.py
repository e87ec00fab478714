"""The queries and bodies of calls and messages, and of requests that wait for their outcomes.

Calls and messages differ in their options. The routes read these classes, and the OpenAPI document is made from them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import attrs
import msgspec

from actors.http.durations import DURATION, DURATION_ABOVE_ZERO, parse_duration
from actors.http.requests import IdText, Key, Name, TagPairs
from actors.model.keys import MAX_REQUEST_KEY
from actors.model.requests import CallOptions
from actors.model.tags import tags_of_pairs
from actors.values.amounts import AMOUNT_PAIR, MAX_QUANTITIES, amounts_of_pairs
from actors.values.arguments import MAX_NAME

_DURATIONS = "`10s`, `500ms`, `2h` or `PT10S`; a plain number is milliseconds"
Duration = Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"pattern": DURATION})]
DurationAboveZero = Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"pattern": DURATION_ABOVE_ZERO})]
BudgetPairs = Annotated[
    list[
        Annotated[
            str,
            msgspec.Meta(
                max_length=128,
                description="An amount that the invocation and those that it calls may spend, as `tokens=100000`.",
                extra_json_schema={"pattern": AMOUNT_PAIR},
            ),
        ]
    ],
    msgspec.Meta(max_length=MAX_QUANTITIES),
]


@attrs.frozen(kw_only=True)
class WorkQuery:
    """The options that calls and messages share. :meth:`options` makes the options of the request from them and from the header
    ``Idempotency-Key``."""

    parameter: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=MAX_NAME,
                description="The body is the value of this parameter; empty: the body is an object of parameters by name.",
            ),
        ]
        | None
    ) = None
    tag: TagPairs = attrs.field(factory=list)
    max_duration: (
        Annotated[
            DurationAboveZero,
            msgspec.Meta(description=f"How long the invocation may take until it is cancelled: {_DURATIONS}."),
        ]
        | None
    ) = None
    budget: BudgetPairs = attrs.field(factory=list)

    def options(self, idempotency_key: str | None) -> CallOptions:
        """Return the options of the request, with its key."""
        return CallOptions(idempotency_key=idempotency_key, **self._given())

    def _given(self) -> dict[str, Any]:
        return {
            "tags": tags_of_pairs(self.tag, "tag") if self.tag else None,
            "max_duration": _seconds(self.max_duration, "max_duration"),
            "budget": amounts_of_pairs(self.budget, "budget") if self.budget else None,
        }


_LATER = "a call starts at once; POST to …/send for a message that starts later"


@attrs.frozen(kw_only=True)
class CallQuery(WorkQuery):
    """The options of a call."""

    MISPLACED: ClassVar[dict[str, str]] = dict.fromkeys(("delay", "debounce", "max_delay"), _LATER)

    wait: Annotated[
        bool,
        msgspec.Meta(
            description="Keep waiting while the invocation is paused; by default a pause is answered with 503."
        ),
    ] = False


@attrs.frozen(kw_only=True)
class SendQuery(WorkQuery):
    """The options of a message."""

    MISPLACED: ClassVar[dict[str, str]] = {"wait": "a message is answered once it is durable; leave out wait"}

    delay: (
        Annotated[Duration, msgspec.Meta(description=f"When to deliver the message, from now: {_DURATIONS}.")] | None
    ) = None
    debounce: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=MAX_REQUEST_KEY,
                description="A key: the message replaces an earlier one with the same key whose delay has not ended.",
            ),
        ]
        | None
    ) = None
    max_delay: (
        Annotated[
            Duration,
            msgspec.Meta(
                description="The longest time between the first message with the `debounce` key and the delivery of the last."
            ),
        ]
        | None
    ) = None

    def _given(self) -> dict[str, Any]:
        return super()._given() | {
            "delay": _seconds(self.delay, "delay"),
            "debounce": self.debounce,
            "max_delay": _seconds(self.max_delay, "max_delay"),
        }


def _seconds(text: str | None, name: str) -> float | None:
    return None if text is None else parse_duration(text, bare="ms", name=name)


@attrs.frozen(kw_only=True)
class AttachQuery:
    """``wait``: keep waiting while the invocation is paused; by default a pause is answered with 503."""

    wait: bool = False


class IdempotentTarget(
    msgspec.Struct,
    kw_only=True,
    rename="camel",
    tag="idempotentInvocation",
    tag_field="target",
    forbid_unknown_fields=True,
):
    """An invocation by its target and its idempotency key."""

    service: Name
    handler: Name
    idempotency_key: Name
    key: Key | None = None


class WorkflowTarget(
    msgspec.Struct, kw_only=True, rename="camel", tag="workflow", tag_field="target", forbid_unknown_fields=True
):
    """The run of a workflow."""

    workflow_name: Name
    workflow_key: Key


class IdTarget(
    msgspec.Struct, kw_only=True, rename="camel", tag="invocation", tag_field="target", forbid_unknown_fields=True
):
    """An invocation by its id."""

    invocation_id: IdText


Lookup = IdempotentTarget | WorkflowTarget | IdTarget
