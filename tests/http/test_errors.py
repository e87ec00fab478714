"""Every typed error over HTTP: its status, its name, and itself again at the other end."""

from __future__ import annotations

import httpx2
import pytest

import actors
from actors import errors
from actors.errors import ActorError, Refused, TerminalError
from actors.http import problems
from actors.http.client.connection import error_in
from actors.http.problems import respond_with
from cli.exit_codes import Exit, exit_code_of
from journal.errors import Damaged, DiskFull, MalformedIdError
from journal.ids import StreamId


def _all(kind: type[ActorError]) -> list[type[ActorError]]:
    found = [kind]
    for inner in type.__subclasses__(kind):  # other tests make classes that cannot be asked themselves
        found += _all(inner)
    return [k for k in found if errors.module_of(k) in ("actors", problems.__name__, "actors.http.tokens")]


KINDS = sorted(set(_all(ActorError)), key=lambda kind: kind.__name__)

STATUSES = {
    "AlreadyCompletedError": 409,
    "DeadlockError": 409,
    "ForbiddenError": 403,
    "IdempotencyConflictError": 409,
    "InvalidArgumentError": 400,
    "InvalidKeyError": 400,
    "InvocationCancelledError": 409,
    "InvocationKilledError": 409,
    "MailboxFullError": 429,
    "NotCompletedError": 409,
    "PayloadTooLargeError": 413,
    "TerminalError": 500,
    "TooSlowError": 504,
    "UnauthorizedError": 401,
    "UnavailableError": 503,
    "UnknownHandlerError": 404,
    "UnknownInvocationError": 404,
    "UnknownOutcomeError": 503,
    "UnknownServiceError": 404,
}


def made(kind: type[ActorError]) -> ActorError:
    error = kind.__new__(kind)
    Exception.__init__(error, f"about {kind.__name__}")
    if isinstance(error, TerminalError):
        error.type = errors.type_name(kind)
    return error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_comes_back_as_itself(kind: type[ActorError]) -> None:
    response = respond_with(made(kind))
    assert response.status_code == STATUSES.get(kind.__name__, kind.http_status)
    assert 400 <= response.status_code < 600
    assert response.headers["content-type"] == "application/problem+json"
    answered = httpx2.Response(
        response.status_code, content=response.body, request=httpx2.Request("GET", "http://127.0.0.1")
    )
    again = error_in(answered)
    assert type(again) is kind
    assert str(again) == f"about {kind.__name__}"


CARRIED = {"path": "$.a[0]", "status": actors.Status.PAUSED, "allowed": ("GET", "PATCH"), "details": {"a": [1]}}
EVERYWHERE = {"http_status", "invocation_id", "details", "type"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_an_error_carries_comes_back_with_it(kind: type[ActorError]) -> None:
    names = {
        name for base in kind.__mro__ if issubclass(base, ActorError) for name in vars(base).get("__annotations__", {})
    }
    names |= {"path"} & set(dir(kind))
    error = made(kind)
    for name in names - EVERYWHERE:
        setattr(error, name, CARRIED[name])
    response = respond_with(error)
    again = error_in(
        httpx2.Response(
            response.status_code,
            content=response.body,
            headers=dict(response.headers),
            request=httpx2.Request("GET", "http://127.0.0.1"),
        )
    )
    assert {name: getattr(again, name) for name in names - EVERYWHERE} == {
        name: CARRIED[name] for name in names - EVERYWHERE
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Refused)], ids=lambda kind: kind.__name__)
def test_a_refusal_is_never_said_to_be_the_servers_fault(kind: type[ActorError]) -> None:
    assert kind.http_status < 500 or kind.http_status in (503, 507)
    assert exit_code_of(made(kind)) not in (Exit.DONE, Exit.FAILED)


MAY_PASS = {
    "InvocationPausedError",
    "MailboxFullError",
    "SignalBufferFullError",
    "UnavailableError",
    "UnknownOutcomeError",
}


def test_what_may_be_tried_again_says_when() -> None:
    said = {kind.__name__ for kind in KINDS if "retry-after" in respond_with(made(kind)).headers}
    assert said == MAY_PASS


def test_the_journals_errors_are_told_in_our_words() -> None:
    assert respond_with(MalformedIdError("x")).status_code == 400
    assert respond_with(DiskFull("full")).status_code == 503
    assert respond_with(Damaged(StreamId(1), 2, "gone")).status_code == 500


def test_every_public_error_is_one_of_them() -> None:
    public = [getattr(actors, name) for name in actors.__all__ if name.endswith("Error")]
    ours = [kind for kind in public if issubclass(kind, ActorError)]
    assert set(ours) <= set(KINDS)
