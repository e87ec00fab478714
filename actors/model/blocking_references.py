"""References and their handlers for callers that block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from actors.model import blocking_handles as handles
from actors.model.blocking import Blocking, made_blocking, stands_for
from actors.model.references import BoundHandler, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.model.blocking import LoopWaiter
    from actors.values.amounts import Amount
    from actors.values.arguments import Seconds

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class BlockingHandler(Generic[P, R_co]):
    """A handler of one object: call it and get its result, or ``send`` to it without waiting.

    ::

        total = client.actor(Counter, "bob").add(5)
    """

    def __init__(self, of: BoundHandler[P, R_co], loop: LoopWaiter) -> None:
        self._of = of
        self._loop = loop

    def __repr__(self) -> str:
        return f"<blocking {self._of.__qualname__}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the handler and wait for its result. Raises the terminal error of the handler."""
        return self._loop.wait(self._of, *args, **kwargs)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> handles.InvocationHandle[R_co]:
        """Send a one-way message: durable on return, without waiting for the result."""
        sent: handles.InvocationHandle[R_co] = made_blocking(
            self._loop.wait(self._of.send, *args, **kwargs), self._loop
        )
        return sent

    def options(
        self,
        *,
        delay: Seconds | None = None,
        idempotency_key: str | None = None,
        timeout: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
        debounce: str | None = None,
        max_delay: Seconds | None = None,
    ) -> BlockingHandler[P, R_co]:
        """Return the handler with options for the call; see :meth:`actors.types.BoundHandler.options`."""
        options = self._of.options(
            delay=delay,
            idempotency_key=idempotency_key,
            timeout=timeout,
            tags=tags,
            max_duration=max_duration,
            budget=budget,
            debounce=debounce,
            max_delay=max_delay,
        )
        return BlockingHandler(options, self._loop)


@stands_for(Reference)
class BlockingReference(Blocking):
    """A reference to an object, whose handlers block until they have a result."""

    def __init__(self, of: Any, loop: LoopWaiter) -> None:
        self.__dict__.update(_of=of, _loop=loop)

    def __getattr__(self, name: str) -> BlockingHandler[Any, Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return BlockingHandler(cast("BoundHandler[Any, Any]", getattr(self._of, name)), self._loop)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._of, name, value)  # which refuses it

    def __delattr__(self, name: str) -> None:
        delattr(self._of, name)
