"""What a request may say of its body, and what a body may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

import actors
from actors import Actor, Service, handler
from actors.http.messages import HttpHeaders, HttpRequest
from actors.http.problems import SlowBodyError
from actors.http.server.bodies import (
    BODY_SECONDS,
    SLOWEST_BYTES,
    WHOLE_BODY_SECONDS,
    BodyBudget,
    check_names,
    read_whole,
)
from actors.values.document import STRING
from actors.values.limits import Limits
from tests.http.served import Served, serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path

    from actors.http.messages import Carrier

JSON = {"content-type": "application/json"}


class Echo(Service):
    @handler
    async def back(self, x: object) -> object:
        return x

    @handler
    async def nothing(self) -> None:
        return None

    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int = 1) -> int:
        self.value += amount
        return self.value


async def status_of(
    served: Served, *lines: str, body: bytes = b"", path: str = "/Counter/a/add", method: str = "POST"
) -> int:
    own = [
        f"{method} {path} HTTP/1.1",
        f"host: localhost:{served.port}",
        f"authorization: Bearer {served.token}",
        "connection: close",
    ]
    answer = await served.raw("\r\n".join([*own, *lines, "", ""]).encode("latin-1") + body)
    return int(answer.split(b" ")[1])


async def test_an_empty_body_in_chunks_is_no_body(tmp_path: Path) -> None:
    async with serving(tmp_path, Echo, Counter) as served:
        for path in ("/Echo/nothing", "/Counter/a/add"):
            assert await status_of(served, "transfer-encoding: chunked", body=b"0\r\n\r\n", path=path) == 200
        assert await status_of(served, "transfer-encoding: chunked", body=b"1\r\n5\r\n0\r\n\r\n") == 415


@pytest.mark.parametrize("number", ["1.5e300", "1e-300", "2E+200"])
async def test_a_number_that_is_slow_to_read_counts_as_many(number: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Echo, runtime_limits=Limits(payload_values=1_000)) as served:
        for count, status in ((5, 200), (20, 413)):
            content = f"[{', '.join([number] * count)}]"
            assert (await served.http.post("/Echo/back", content=content, headers=JSON)).status_code == status
        texts = f"[{', '.join([f'{chr(34)}{number}{chr(34)}'] * 20)}]"
        assert (await served.http.post("/Echo/back", content=texts, headers=JSON)).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
async def test_a_compressed_body_is_refused(encoding: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        refused = await served.http.post("/Counter/a/add", content="5", headers={**JSON, "content-encoding": encoding})
        assert refused.status_code == 415
        taken = await served.http.post("/Counter/a/add", content="5", headers={**JSON, "content-encoding": "identity"})
        assert taken.json() == 5


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("origin", "http://localhost:{port}", "http://evil.example"),
        ("content-type", "application/json", "text/plain"),
        ("idempotency-key", "a", "b"),
        ("sec-fetch-site", "same-origin", "cross-site"),
        ("authorization", "Bearer x", "Bearer y"),
        ("content-encoding", "identity", "gzip"),
    ],
)
async def test_two_values_of_one_header_are_refused(name: str, first: str, second: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        kind = [] if name == "content-type" else ["content-type: application/json"]
        for values in ((first, second), (second, first)):
            lines = [f"{name}: {value.format(port=served.port)}" for value in values]
            assert await status_of(served, *kind, "content-length: 1", *lines, body=b"5") == 400, values
        assert (await served.http.post("/Counter/a/add", content="5", headers=JSON)).json() == 5


async def test_head_is_answered_like_get_without_the_body(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for path in ("/health", "/services", "/openapi.json", "/ui/", "/metrics", "/invocations", "/changes"):
            head, got = await served.http.head(path), await served.http.get(path)
            assert (head.status_code, head.content) == (200, b""), path
            assert head.headers["content-type"] == got.headers["content-type"]
        assert (await served.http.head("/Counter/a/add")).status_code == 405
        assert (await served.bare("HEAD", "/services")).status_code == 401
        streamed = await served.http.head("/changes", headers={"accept": "text/event-stream"})
        assert (streamed.status_code, streamed.content) == (200, b"")


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":1}',
        '[{"x":{"b":1,"c":2,"b":3}}]',
        '{"a":"' + "x" * 100_000 + '","b":1,"b":2}',
    ],
)
async def test_a_name_that_comes_twice_in_an_object_is_refused(text: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Echo) as served:
        assert (await served.http.post("/Echo/back", content=text, headers=JSON)).status_code == 400
        of = (await served.http.post("/Echo/wait/send")).json()["invocationId"]
        assert (await served.http.post(f"/invocations/{of}/signals/go", content=text, headers=JSON)).status_code == 400
        assert (
            await served.http.patch(f"/invocations/{of}/cancel", content='{"reason":"a","reason":"b"}', headers=JSON)
        ).status_code == 400


class CountedName(str):
    """A name that counts how often it is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str(self) == str(other)

    __hash__ = str.__hash__


def test_the_name_that_comes_twice_is_found_without_comparing_each_with_each() -> None:
    names = [*map(str, range(2_000)), "twice", "twice"]
    with pytest.raises(Exception, match="twice"):
        check_names([(CountedName(name), 0) for name in names])
    assert 0 < CountedName.compared < 100


class Pieces:
    """A body of pieces with pauses between them."""

    def __init__(self, *pieces: bytes, pause: float) -> None:
        self._pieces, self._pause, self._has_come = [*pieces], pause, False
        self.taken = 0

    def arrived(self) -> bytes | None:
        if not self._pieces:
            return b""
        if not self._has_come:
            return None
        self._has_come = False
        self.taken += 1
        return self._pieces.pop(0)

    async def wait_for_more(self) -> None:
        await trio.sleep(self._pause)
        self._has_come = True


def request_of(pieces: Pieces) -> HttpRequest:
    return HttpRequest("POST", b"/", b"", HttpHeaders([]), cast("Carrier", pieces), None, "localhost")


@pytest.mark.virtual_time
async def test_a_body_that_drips_is_given_up_and_a_slow_long_one_is_not() -> None:
    dripping = Pieces(*[b"x"] * 100, pause=BODY_SECONDS - 1)
    with pytest.raises(SlowBodyError):
        await read_whole(request_of(dripping), 1_000)
    assert dripping.taken == WHOLE_BODY_SECONDS // (BODY_SECONDS - 1)
    slow = Pieces(*[b"x" * SLOWEST_BYTES * 10] * 20, pause=10)
    assert len(await read_whole(request_of(slow), 10 << 20)) == SLOWEST_BYTES * 200


@pytest.mark.virtual_time
async def test_the_longest_body_of_a_stranger_makes_room_for_the_others() -> None:
    budget, ended = BodyBudget(limit=100), list[str]()

    async def read(name: str, *pieces: bytes) -> None:
        try:
            with budget.share() as share:
                await read_whole(request_of(Pieces(*pieces, pause=1)), 1_000, share)
        except actors.UnavailableError:
            name = f"{name} is given up"
        ended.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, "long", b"x" * 60, b"x", b"x", b"x")
        await trio.sleep(1.5)
        nursery.start_soon(read, "short", b"x" * 20, b"x" * 30)
    assert sorted(ended) == ["long is given up", "short"]
    await read("too long alone", b"x" * 101)
    assert ended[-1] == "too long alone is given up"
    assert budget.taken == 0


MANY = 2_000
BODIES: dict[str, tuple[str, int]] = {
    "a list": ("[" + "0," * MANY + "0]", 413),
    "lists in a list": ("[" + "[]," * MANY + "0]", 413),
    "names": ("{" + ",".join(f'"k{n}":0' for n in range(MANY)) + "}", 413),
    "a text of commas": ('"' + "[{,}]" * MANY + '"', 200),
    "a text of quotes": ('"' + '\\",' * MANY + '"', 200),
    "a list that just fits": ("[" + "0," * 900 + "0]", 200),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_has_a_limit_of_values(name: str, tmp_path: Path) -> None:
    """The event loop reads it, and that takes time by the number of its values."""
    text, status = BODIES[name]
    async with serving(tmp_path, Echo, runtime_limits=Limits(payload_values=1_000)) as served:
        answered = await served.http.post("/Echo/back", content=text, headers=JSON)
        assert answered.status_code == status
        if status == 413:
            assert "payload_values" in answered.json()["detail"]


@pytest.mark.parametrize("end", [b"", b'"', b"\\"])
def test_each_byte_of_a_string_is_looked_at_once(end: bytes) -> None:
    """A string without an end would otherwise be tried from each of its quotes."""
    escaped = b'"' + b'\\"' * 5_000
    found = [match.span() for match in STRING.finditer(escaped + end)]
    assert found == [(0, len(escaped) + (end == b'"'))]


@pytest.mark.parametrize("path", ["/Counter/a/add", "/links/x"])
async def test_a_string_without_an_end_is_no_json(path: str, tmp_path: Path) -> None:
    body = b"[" * 65 + b'"' + b'\\"' * 2_000
    async with serving(tmp_path, Counter, runtime_limits=Limits(payload_values=1_000)) as served:
        length = f"content-length: {len(body)}"
        assert await status_of(served, "content-type: application/json", length, body=body, path=path) == 400


async def test_an_idempotency_key_is_the_same_text_in_every_client(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        key = "zahlung-ü-茶"
        own = await served.runtime.client.actor(Counter, "a").add.options(idempotency_key=key).send(5)
        async with served.client() as client:
            sent: Any = await client.actor(Counter, "a").add.options(idempotency_key=key).send(5)
            assert sent.id == own.id
        assert await status_of(served, "idempotency-key: caf\xe9") == 400


@pytest.mark.parametrize("key", [".", ".."])
async def test_a_key_that_is_a_step_in_a_path_is_refused_everywhere(key: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Echo) as served:
        for path in (f"/Counter/{key}/add", f"/Counter/{key.replace('.', '%2e')}/add"):
            assert await status_of(served, path=path) == 400
        with raises(actors.InvalidArgumentError, path="key"):
            await served.runtime.client.actor(Counter, key).add()
        handle = await served.runtime.client.service(Echo).wait.send()
        with pytest.raises(actors.InvalidArgumentError):
            await handle.signal(key, "x")
        async with served.client() as client:
            with raises(actors.InvalidArgumentError, path="key"):
                await client.actor(Counter, key).add()
            with pytest.raises(actors.InvalidArgumentError):
                await client.invocation(handle.id).signal(key, "x")
            with raises(actors.InvalidArgumentError, path="key"):
                await client.object("Counter", key).info()


@pytest.mark.parametrize("path", ["/Counter/a%zz/add", "/Counter/100%/add", "/Counter/%f/add"])
async def test_a_broken_escape_in_a_path_is_refused(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert await status_of(served, path=path) == 400


class OfOne(Service):
    @handler
    async def put(self, p: Any) -> Any:
        return p


class OfTwo(Service):
    @handler
    async def put(self, p: Any, q: int = 0) -> Any:
        return [p, q]


OfOne.__name__ = OfTwo.__name__ = "Shelf"


async def test_a_caller_may_say_which_parameter_the_body_is_the_value_of(tmp_path: Path) -> None:
    async with serving(tmp_path, OfTwo) as served:
        for query, body, answer in [
            ("", b"5", [5, 0]),
            ("", b'{"p": 3}', [3, 0]),
            ("?parameter=p", b'{"p": 3}', [{"p": 3}, 0]),
            ("?parameter=p", b'{"a": 3}', [{"a": 3}, 0]),
            ("?parameter=", b'{"p": 3}', [3, 0]),
        ]:
            response = await served.http.post(f"/Shelf/put{query}", content=body, headers=JSON)
            assert response.json() == answer


async def test_a_body_that_does_not_fit_the_form_it_is_said_to_have_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, OfTwo) as served:
        for query, body in [
            ("", b'{"a": 3}'),
            ("?parameter=", b"5"),
            ("?parameter=q", b"5"),
            (f"?parameter={'p' * 2000}", b"5"),
        ]:
            response = await served.http.post(f"/Shelf/put{query}", content=body, headers=JSON)
            assert response.status_code == 400


@pytest.mark.parametrize(("own", "served_class"), [(OfOne, OfTwo), (OfTwo, OfOne)])
async def test_a_client_of_other_code_means_the_same(tmp_path: Path, own: Any, served_class: Any) -> None:
    value = {"p": 3}
    expected = value if served_class is OfOne else [value, 0]
    async with serving(tmp_path, served_class) as served, served.client() as client:
        for each in (client, served.runtime.client):
            assert await each.service(own).put(value) == expected
            sent = await each.service(own).put.send(value)
            assert await sent.result() == expected
