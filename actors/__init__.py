"""Durable virtual objects for trio, with a remote control.

The names exported here are stable, and so are those in ``actors.errors``, ``actors.types`` (the data that signatures name), ``actors.aio``,
``actors.sync`` and ``actors.testing``; other modules are not. Modules that need an event loop or a disk are imported when they are first used, so
that importing this package costs little.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

_found = importlib.util.find_spec("playhead")
_folders = [os.path.realpath(folder) for folder in (_found and _found.submodule_search_locations) or ()]
_own = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "playhead")
if _found is not None and _own not in _folders:  # a script or a folder of the user's, which importing this must not run
    raise ImportError(
        f"{_found.origin or _folders[0]} hides playhead's own package 'playhead': rename it, or start Python from another folder"
    )

from playhead.packages import check_packages

check_packages()  # first: the imports below would fail on a user's journal.py without an explanation

from actors.errors import (
    ActorError,
    Cancelled,
    CancelledError,
    ConflictError,
    InvalidArgumentError,
    InvocationCancelledError,
    LimitExceededError,
    NotFoundError,
    RefusedError,
    SignalFailedError,
    StepFailedError,
    TerminalError,
    TooSlowError,
    UnavailableError,
    UnknownOutcomeError,
)
from actors.model.classes import Actor, Service, Workflow
from actors.model.fields import Log, Map, field
from actors.model.handler_log import LogFilter, log_processor, logger
from actors.model.handlers import handler, shared, update
from actors.model.handles import InvocationHandle
from actors.model.verbs.attributes import set_attributes
from actors.model.verbs.calls import actor, call, invocation, send, service, workflow, workflow_id
from actors.model.verbs.context import current_invocation, patched, random, set_status_text, suspending, uuid4
from actors.model.verbs.heartbeats import heartbeat, last_heartbeat
from actors.model.verbs.output import emit
from actors.model.verbs.questions import ask
from actors.model.verbs.scopes import fail_after, fail_at, move_on_after, move_on_at, open_nursery
from actors.model.verbs.signals import signal
from actors.model.verbs.spending import spend
from actors.model.verbs.steps import run, step, step_key
from actors.model.verbs.time import current_time, sleep, sleep_until
from actors.model.webhooks import Webhook, WebhookRequest
from actors.replay.scopes import CancelScope, Nursery
from actors.values import converter
from actors.values.limits import Limits
from actors.values.retries import RetryPolicy
from journal.events import Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors import aio as aio
    from actors import errors as errors
    from actors import http as http
    from actors import sync as sync
    from actors import testing as testing
    from actors import types as types
    from actors.control.client import Client
    from actors.control.offline.directory import OfflineClient, open_directory
    from actors.http.client.backend import connect
    from actors.runtime import Runtime, open_runtime
    from actors.system.lock_blocks import lock

    __version__: str

_LATER = {
    "Client": "actors.control.client",
    "OfflineClient": "actors.control.offline.directory",
    "Runtime": "actors.runtime",
    "connect": "actors.http.client.backend",
    "lock": "actors.system.lock_blocks",
    "open_directory": "actors.control.offline.directory",
    "open_runtime": "actors.runtime",
}


_NAMESPACES = ("aio", "errors", "http", "sync", "testing", "types")
"""Modules whose names are stable as well."""


def __getattr__(name: str) -> object:
    from importlib import import_module

    value: object
    if name in _NAMESPACES:
        value = import_module(f"actors.{name}")
    elif name in _LATER:
        value = getattr(import_module(_LATER[name]), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("playhead")
    else:
        raise AttributeError(f"module 'actors' has no attribute {name!r}")
    globals()[name] = value
    return value


__all__ = [
    "Actor",
    "ActorError",
    "CancelScope",
    "Cancelled",
    "CancelledError",
    "Client",
    "ConflictError",
    "InvalidArgumentError",
    "InvocationCancelledError",
    "InvocationHandle",
    "InvocationId",
    "LimitExceededError",
    "Limits",
    "Log",
    "LogFilter",
    "Map",
    "NotFoundError",
    "Nursery",
    "OfflineClient",
    "RefusedError",
    "RetryPolicy",
    "Runtime",
    "Service",
    "SignalFailedError",
    "Status",
    "StepFailedError",
    "TerminalError",
    "TooSlowError",
    "UnavailableError",
    "UnknownOutcomeError",
    "Webhook",
    "WebhookRequest",
    "Workflow",
    "actor",
    "ask",
    "call",
    "connect",
    "converter",
    "current_invocation",
    "current_time",
    "emit",
    "fail_after",
    "fail_at",
    "field",
    "handler",
    "heartbeat",
    "invocation",
    "last_heartbeat",
    "lock",
    "log_processor",
    "logger",
    "move_on_after",
    "move_on_at",
    "open_directory",
    "open_nursery",
    "open_runtime",
    "patched",
    "random",
    "run",
    "send",
    "service",
    "set_attributes",
    "set_status_text",
    "shared",
    "signal",
    "sleep",
    "sleep_until",
    "spend",
    "step",
    "step_key",
    "suspending",
    "update",
    "uuid4",
    "workflow",
    "workflow_id",
]
