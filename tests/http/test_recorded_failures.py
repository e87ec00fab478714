"""A recorded failure is final, also one of a class that the server answers with while asking again may help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

import actors
import actors.errors
from actors import Service, handler
from actors.control.client import Client
from actors.errors.base import code_of
from actors.http.client import connection
from actors.http.client.backend import HttpBackend
from actors.http.client.connection import Connection
from actors.http.server.calls import respond_with_outcome
from actors.model.info import outcome_info
from actors.values.failures import failed
from actors.values.outcomes import value_of
from cli.exit_codes import Exit, exit_code_of
from cli.outcomes import CallEndedError, result_of
from journal.ids import parse_invocation_id
from tests.http.served import serving
from tests.http.test_errors import KINDS, made

if TYPE_CHECKING:
    from pathlib import Path

    from actors.errors import ActorError

OF = parse_invocation_id("inv_1" + "0" * 33)
BY_NAME = {kind.__name__: kind for kind in KINDS}
PAUSES = {"NoLongerFitsError"}
"""Raised out of a handler, these pause its invocation: there is no outcome."""

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


class Thrower(Service):
    @handler(retry=actors.RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def throw(self, name: str) -> None:
        raise made(BY_NAME[name])


def in_process(kind: type[ActorError]) -> ActorError:
    """The error that a caller in the runtime's process gets."""
    with pytest.raises(actors.TerminalError) as raised:
        value_of(failed(made(kind)), OF)
    return raised.value


@every_kind
async def test_a_recorded_failure_takes_one_request(kind: type[ActorError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RECONNECT_SECONDS", 0.0)  # what waits for another answer fails at once
    requests: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        told = respond_with_outcome(OF, failed(made(kind)))
        assert "retry-after" not in told.headers
        assert "www-authenticate" not in told.headers
        return httpx2.Response(told.status_code, headers=dict(told.headers), content=told.body)

    async with httpx2.AsyncClient(base_url="http://test", transport=httpx2.MockTransport(answer)) as http:
        client = Client(HttpBackend(Connection(http)))
        with pytest.raises(actors.TerminalError) as called:
            await client.service(Thrower).throw(kind.__name__)
        with pytest.raises(actors.TerminalError) as awaited:
            await client.invocation(OF).result()
    expected = in_process(kind)
    for error in (called.value, awaited.value):
        assert (type(error), error.type, str(error)) == (type(expected), expected.type, str(expected))
        assert error.invocation_id == OF
    assert len(requests) == 2


async def test_every_error_of_a_handler_arrives_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "RECONNECT_SECONDS", 0.0)
    async with serving(tmp_path, Thrower) as served, served.client() as remote:
        for name in BY_NAME.keys() - PAUSES:
            errors: list[tuple[type, str, str]] = []
            for client in (served.runtime.client, remote):
                with pytest.raises(actors.TerminalError) as raised:
                    await client.service(Thrower).throw(name)
                errors.append((type(raised.value), raised.value.type, str(raised.value)))
            assert errors[0] == errors[1]
            told = await served.http.post("/Thrower/throw", json=name)
            assert (told.json()["outcome"], "retry-after" in told.headers) == ("failed", False)


@every_kind
def test_the_record_of_a_failure_has_the_code_of_a_public_error(kind: type[ActorError]) -> None:
    failure = outcome_info(failed(made(kind))).failure
    assert failure is not None
    is_public = kind.__module__ == actors.errors.__name__
    assert failure.code is (code_of(made(kind)) if is_public else None)


@every_kind
def test_a_call_that_failed_exits_as_failed(kind: type[ActorError]) -> None:
    with pytest.raises(CallEndedError) as raised:
        result_of(outcome_info(failed(made(kind, f"about {kind.__name__}"))), OF)
    assert exit_code_of(raised.value) is Exit.FAILED
    assert OF in str(raised.value)
    assert f"about {kind.__name__}" in str(raised.value)
