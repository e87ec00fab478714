"""The part of asyncio's event loop that needs sockets, pipes, processes, signals or threads, all of it refused."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.errors import MisuseError

_REFUSED = (
    "run_forever",
    "run_until_complete",
    "stop",
    "close",
    "set_default_executor",
    "set_task_factory",
    "getaddrinfo",
    "getnameinfo",
    "create_connection",
    "create_server",
    "sendfile",
    "start_tls",
    "create_unix_connection",
    "create_unix_server",
    "connect_accepted_socket",
    "create_datagram_endpoint",
    "connect_read_pipe",
    "connect_write_pipe",
    "subprocess_shell",
    "subprocess_exec",
    "add_reader",
    "remove_reader",
    "add_writer",
    "remove_writer",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendto",
    "sock_connect",
    "sock_accept",
    "sock_sendfile",
    "add_signal_handler",
    "remove_signal_handler",
)


class LoopWithoutIO(asyncio.AbstractEventLoop):
    """A loop that refuses everything that would not be durable. Subclasses define the rest."""

    def refuse_io(self, what: str) -> MisuseError:
        """Return the error for something that is not durable."""
        raise NotImplementedError

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """Do nothing: what asyncio measures then is the time between two completions."""

    def get_task_factory(self) -> None:
        return None

    async def shutdown_asyncgens(self) -> None:
        """Do nothing: the driver closes the generators that are left when the handler ends."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncio's own signature
        """Do nothing: there is none."""


def _refusing(name: str) -> Callable[..., Any]:
    def refused(self: LoopWithoutIO, *_: Any, **__: Any) -> Any:
        for coroutine in filter(inspect.iscoroutine, _):
            coroutine.close()
        raise self.refuse_io(f"loop.{name}()")

    async def refused_later(self: LoopWithoutIO, *_: Any, **__: Any) -> Any:
        raise self.refuse_io(f"loop.{name}()")

    return refused_later if inspect.iscoroutinefunction(getattr(asyncio.AbstractEventLoop, name)) else refused


for _name in _REFUSED:
    setattr(LoopWithoutIO, _name, _refusing(_name))
