"""Every route of the table: who may use it, what it says of itself, and how it is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Service, handler
from actors.errors import NotFoundError
from actors.http.problems import MethodNotAllowedError
from actors.http.routes import Route, Router, TokenScope
from actors.http.server import console, links, webhooks
from actors.http.server.app import ROUTES
from actors.values.names import RESERVED
from tests.counter import Counter
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path

GONE = "inv_1" + "0" * 33
OPEN = {
    ("GET", "/health"),
    ("GET", "/restate/health"),
    *((route.method, route.path) for route in (*console.ROUTES, *links.ROUTES, *webhooks.ROUTES)),
}
"""That the server is there, the files of the console, which do nothing by themselves, and what has a signature for a token."""


class Slow(Service):
    @handler
    async def work(self) -> str:
        return str(await actors.signal("go"))


def path_of(route: Route) -> str:
    filled = {"id": GONE, "service": "Counter", "key": "k", "handler": "add", "name": "n"}
    return "/" + "/".join(filled.get(s[1:-1], s[1:-1]) if s.startswith("{") else s for s in route.segments)


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_only_health_and_the_files_of_the_console_are_open_and_every_other_route_names_a_scope() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.scope is None} == OPEN


def test_every_route_says_what_it_does() -> None:
    assert [named(route) for route in ROUTES if not route.summary.endswith(".")] == []


def test_no_two_routes_are_the_same() -> None:
    shapes = [(route.method, [s[:1] if s.startswith("{") else s for s in route.segments]) for route in ROUTES]
    assert all(shapes.count(shape) == 1 for shape in shapes)


def test_what_cannot_be_undone_needs_admin_and_steering_needs_control() -> None:
    needed = {route.path.rpartition("/")[2]: route.scope for route in ROUTES if route.method == "PATCH"}
    assert {name for name, scope in needed.items() if scope is TokenScope.ADMIN} >= {"kill", "purge"}
    assert {name for name, scope in needed.items() if scope is TokenScope.CONTROL} >= {"cancel", "pause", "resume"}
    assert all(scope in (TokenScope.ADMIN, TokenScope.CONTROL) for scope in needed.values())


async def test_without_a_token_every_route_answers_401_and_with_each_scope_403_or_more(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Slow) as served:
        secrets = {scope: served.tokens.create(scope.value, scope) for scope in TokenScope}
        for route in ROUTES:
            answered = await served.bare(route.method, path_of(route))
            assert (answered.status_code == 401) == (route.scope is not None), named(route)
            for scope, secret in secrets.items():
                if route.scope is None or route.name in ("attach", "attach_to_target", "follow_output"):
                    continue
                headers = {"authorization": f"Bearer {secret}"}
                status = (await served.bare(route.method, path_of(route), headers=headers)).status_code
                assert status != 401, named(route)
                assert (status == 403) == (not scope.covers(route.scope)), (named(route), scope, status)


@pytest.mark.parametrize("path", ["/nothing", "/a/b/c/d/e/f/g/h", "/invocations/x/y/z/w", "/restate/nothing"])
async def test_a_stranger_does_not_learn_which_paths_there_are(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert (await served.bare("GET", path)).status_code == 401
        assert (await served.http.get(path)).status_code in (404, 405)


async def test_a_delay_of_a_call_is_a_wrong_argument_and_no_missing_handler(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        refused = await served.http.post("/Counter/alice/add?delay=5", json=1)
        assert (refused.status_code, refused.json()["path"]) == (400, "$.delay")


def test_the_path_that_says_more_literally_is_meant() -> None:
    router = Router(ROUTES)
    assert router.find("GET", ["invocations", GONE])[0].name == "get_invocation"
    assert router.find("POST", ["Counter", "add"])[0].name == "call"
    assert router.find("POST", ["Counter", "invocations", "add"])[1]["key"] == "invocations"
    with pytest.raises(MethodNotAllowedError) as raised:
        router.find("POST", ["invocations", GONE])
    assert raised.value.allowed == ("GET",)
    for missing in ([], ["", ""], ["x"], ["Counter", "", "add"]):
        with raises(NotFoundError, kind="path"):
            router.find("POST", missing)


async def test_a_path_with_another_method_says_which_it_takes(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        answered = await served.http.delete(f"/invocations/{GONE}/cancel")
        assert (answered.status_code, answered.headers["allow"]) == (405, "PATCH")
        for method in ("OPTIONS", "TRACE", "PUT", "BREW"):
            assert (await served.http.request(method, "/services")).status_code == 405, method


def test_no_class_can_be_called_like_a_path_of_the_remote_control() -> None:
    first = {route.segments[0] for route in ROUTES if not route.segments[0].startswith("{")}
    assert {name for name in first if name.isidentifier()} <= RESERVED
