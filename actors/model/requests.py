"""The request for a call of a handler, with its options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.errors import InvalidArgumentError
from actors.model.keys import checked_request_key
from actors.model.tags import checked_tags
from actors.values import ValueProblem
from actors.values.amounts import Amount, Amounts, checked_budget
from actors.values.arguments import Seconds, checked_seconds, seconds_or_none
from actors.values.limits import within_limit
from journal.events import Target

if TYPE_CHECKING:
    from actors.model.definitions import Definition, HandlerDefinition
    from actors.values.limits import Limits


def _delay(value: Seconds | None) -> float | None:
    return seconds_or_none(value, "delay")


def _timeout(value: Seconds | None) -> float | None:
    return seconds_or_none(value, "timeout")


def _max_duration(value: Seconds | None) -> float | None:
    return None if value is None else checked_seconds(value, "max_duration", is_above_zero=True)


def _budget(value: Mapping[str, Amount] | None) -> Amounts | None:
    return checked_budget(value)


def _debounce(value: str | None) -> str | None:
    return checked_request_key(value, "debounce")


def _max_delay(value: Seconds | None) -> float | None:
    return seconds_or_none(value, "max_delay")


@attrs.frozen(kw_only=True)
class CallOptions:
    """The options of one call or message, checked: ``delay``, ``timeout``, ``max_duration`` and ``max_delay`` in seconds. A timedelta
    is converted. ``tags`` is None if there are none, and ``budget`` if it has no bound. ``debounce`` is the key under which a later message replaces this one.

    Raises :class:`InvalidArgumentError`. ::

        sent = await client.send_by_name(target, b"5", CallOptions(delay=60))
    """

    delay: float | None = attrs.field(default=None, converter=_delay)
    idempotency_key: str | None = attrs.field(default=None, converter=checked_request_key)
    timeout: float | None = attrs.field(default=None, converter=_timeout)
    tags: dict[str, str] | None = attrs.field(default=None, converter=checked_tags)
    max_duration: float | None = attrs.field(default=None, converter=_max_duration)
    budget: dict[str, str] | None = attrs.field(default=None, converter=_budget)
    debounce: str | None = attrs.field(default=None, converter=_debounce)
    max_delay: float | None = attrs.field(default=None, converter=_max_delay)

    def __attrs_post_init__(self) -> None:
        if self.debounce is None:
            if self.max_delay is not None:
                raise InvalidArgumentError("max_delay needs debounce, which is missing", path="max_delay")
            return
        if not self.delay:
            raise InvalidArgumentError(
                "debounce needs a delay: a later message replaces this one until the delay is over", path="delay"
            )
        if self.idempotency_key is not None:
            raise InvalidArgumentError(
                "debounce and idempotency_key were both given; pass one of them: with debounce the last message counts, with idempotency_key the first",
                path="debounce",
            )
        if self.max_delay is not None and self.max_delay < self.delay:
            raise InvalidArgumentError(
                f"max_delay is {self.max_delay} seconds, expected at least the delay, {self.delay}", path="max_delay"
            )


NO_OPTIONS = CallOptions()


def no_debounce(target: Target) -> InvalidArgumentError:
    """Return the error for a debounce key of a workflow's run."""
    return InvalidArgumentError(
        f"{target}: a workflow runs once for each key, so no later run can replace it; leave out debounce",
        path="debounce",
    )


class Request(msgspec.Struct, eq=False):
    """A call of a handler, as the program makes it. ``request_key`` is the idempotency key as it is stored."""

    target: Target
    definition: Definition
    handler: HandlerDefinition
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: CallOptions
    request_key: str | None
    is_once: bool = False
    """Whether the request is a workflow's run, whose id can be computed from its key; see :func:`requested_id`."""

    @property
    def other_targets(self) -> tuple[str, ...]:
        """The targets with the other names of the class and the handler."""
        definition, handler = self.definition, self.handler
        if not definition.aliases and len(handler.names) == 1:
            return ()
        return tuple(
            str(Target(service, self.target.key, name)) for service in definition.names for name in handler.names
        )

    def __str__(self) -> str:
        """Return what error messages call the result."""
        return f"the result of {self.target}"

    def encode_arguments(self, limits: Limits) -> bytes:
        """Encode the arguments as JSON. Raises :class:`InvalidArgumentError`, :class:`LimitExceededError`, ``TypeError``, or the error
        with which the handler's validator refuses them.
        """
        try:
            signature, args = self.handler.signature, self.args
            only = signature.only
            if only is not None and len(args) == 1 and not self.kwargs:
                data = only.encode(args[0])
            else:
                data = signature.encode(args, self.kwargs)
            if signature.validator is not None:
                signature.validate(signature.decode(data, signature.parameter))  # what the handler would get
        except ValueProblem as error:
            raise InvalidArgumentError(f"{self.target}: {error.path}: {error.problem}", path=error.path) from error
        if len(data) > limits.payload_bytes:
            within_limit(data, limits.payload_bytes, f"the argument of {self.target}")
        return data
