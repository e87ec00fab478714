"""Every typed error over HTTP: its status, its name, and itself again at the other end."""

from __future__ import annotations

import httpx2
import msgspec
import pytest

import actors
from actors.errors import (
    ActorError,
    ConflictError,
    DefinitionReason,
    ErrorCode,
    NotFoundError,
    RefusedError,
    ResourceKind,
    TerminalError,
)
from actors.http import problems
from actors.http.client.connection import error_in
from actors.http.problems import STATUS_OF_CODE, respond_with
from cli.exit_codes import EXIT_OF_CODE, Exit, exit_code_of
from journal.errors import Damaged, DiskFull, JournalError, MalformedIdError, StoreFailed
from journal.ids import StreamId
from tests.raising import ERRORS, made


def _below(kind: type[ActorError]) -> list[type[ActorError]]:
    return [kind, *(below for each in type.__subclasses__(kind) for below in _below(each))]


KINDS = sorted({*ERRORS, *_below(problems.RequestError)}, key=lambda kind: kind.__name__)
"""The errors of the package, and those of requests."""


def answered(error: ActorError) -> tuple[httpx2.Response, ActorError]:
    """The response to a request that fails so, and the error that a client raises for it."""
    sent = respond_with(error)
    response = httpx2.Response(
        sent.status_code,
        content=sent.body,
        headers=dict(sent.headers),
        request=httpx2.Request("GET", "http://127.0.0.1"),
    )
    return response, error_in(response)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_itself(kind: type[ActorError]) -> None:
    error = made(kind, f"about {kind.__name__}")
    response, again = answered(error)
    assert response.status_code == getattr(kind, "status_code", STATUS_OF_CODE[error.code])
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == error.code
    assert (type(again), again.code, str(again)) == (kind, error.code, f"about {kind.__name__}")


ATTRIBUTES: dict[str, object] = {
    "allowed": ("GET", "PATCH"),
    "details": {"a": [1]},
    "found": 12.5,
    "invocation_id": f"inv_1{'0' * 33}",
    "limit": "query_rows",
    "maximum": 10,
    "name": "Counter.value",
    "path": "$.a[0]",
    "position": 7,
    "reason": DefinitionReason.DEFAULT,
    "signal": "approved",
    "status": actors.Status.PAUSED,
}
"""What an error may carry beside its code and the kind of what is missing, which have tests of their own."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_attribute_of_an_error_comes_back_with_it(kind: type[ActorError]) -> None:
    error = made(kind)
    declared = {name for base in kind.__mro__ for name in vars(base).get("__annotations__", {})}
    given = {name: value for name, value in ATTRIBUTES.items() if name in declared}
    for name, value in given.items():
        setattr(error, name, value)
    _, again = answered(error)
    assert {name: getattr(again, name) for name in given} == given


def test_every_attribute_of_an_error_has_a_test() -> None:
    names = {name for kind in KINDS for base in kind.__mro__ for name in vars(base).get("__annotations__", {})}
    assert names == {*ATTRIBUTES, "code", "kind", "type"}


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_comes_back_and_has_a_status_and_an_exit_code(code: ErrorCode) -> None:
    error = ConflictError("no", code=code)
    response, again = answered(error)
    assert response.status_code == STATUS_OF_CODE[code]
    assert again.code is code
    assert exit_code_of(error) is EXIT_OF_CODE[code]


STATUSES = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "already_completed": 409,
    "cancelled": 409,
    "deadlock": 409,
    "idempotency_conflict": 409,
    "killed": 409,
    "not_completed": 409,
    "gone": 410,
    "link_expired": 410,
    "question_closed": 410,
    "too_large": 413,
    "busy": 429,
    "failed": 500,
    "missing_extra": 501,
    "damaged": 503,
    "not_owner": 503,
    "outcome_unknown": 503,
    "unavailable": 503,
    "deadline_exceeded": 504,
}


def test_the_statuses_that_clients_rely_on_stay() -> None:
    assert {code: STATUS_OF_CODE[ErrorCode(code)] for code in STATUSES} == STATUSES


def test_no_code_has_a_status_that_is_not_one_of_an_error() -> None:
    assert {*STATUS_OF_CODE} == {*EXIT_OF_CODE} == {*ErrorCode}
    assert all(400 <= status < 600 for status in STATUS_OF_CODE.values())
    assert Exit.DONE not in EXIT_OF_CODE.values()


@pytest.mark.parametrize("kind", ResourceKind)
def test_every_kind_of_what_is_missing_comes_back(kind: ResourceKind) -> None:
    response, again = answered(NotFoundError("no", kind=kind))
    assert (response.status_code, response.json()["kind"]) == (404, kind)
    assert isinstance(again, NotFoundError)
    assert again.kind is kind


def test_a_code_of_a_later_version_leaves_that_of_the_class() -> None:
    _, again = answered(NotFoundError("no", kind=ResourceKind.JOB))
    later = msgspec.json.encode(
        {**msgspec.to_builtins(problems.problem_of(again)), "code": "vanished", "kind": "dream"}
    )
    response = httpx2.Response(404, content=later, request=httpx2.Request("GET", "http://127.0.0.1"))
    assert error_in(response).code is ErrorCode.NOT_FOUND


REFUSALS = [kind for kind in KINDS if issubclass(kind, RefusedError)]


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_a_refusal_is_never_said_to_be_the_servers_fault(kind: type[ActorError]) -> None:
    response, again = answered(made(kind))
    assert response.status_code < 500 or response.status_code in (501, 503), (
        "a part that is not installed, or not available"
    )
    assert isinstance(again, problems.RequestError) or exit_code_of(again) not in (Exit.DONE, Exit.FAILED)


def test_what_may_be_tried_again_says_when() -> None:
    said = {code for code in ErrorCode if b"retry-after" in dict(respond_with(ConflictError("no", code=code)).headers)}
    assert said == {"busy", "disk_full", "not_owner", "outcome_unknown", "paused", "unavailable"}


def test_a_class_of_the_applications_may_say_its_own_status() -> None:
    class PaymentRequired(TerminalError):
        http_status = 402

    assert respond_with(PaymentRequired("pay first")).status_code == 402


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MalformedIdError("x"), 400, "invalid_argument"),
        (DiskFull("full"), 503, "disk_full"),
        (StoreFailed("broken"), 503, "store_failed"),
        (Damaged(StreamId(1), 2, "gone"), 503, "damaged"),
    ],
)
def test_an_error_of_the_store_comes_back_with_its_code(error: JournalError, status: int, code: str) -> None:
    sent = respond_with(error)
    request = httpx2.Request("GET", "http://127.0.0.1")
    again = error_in(httpx2.Response(sent.status_code, content=sent.body, headers=dict(sent.headers), request=request))
    assert (sent.status_code, again.code) == (status, code)
