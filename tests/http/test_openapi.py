"""The OpenAPI document: valid, whole, and held against a server process by many thousands of generated requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from actors.http.address import read_address
from actors.http.server.app import ROUTES
from actors.http.server.openapi import make_document
from actors.model.classes import definition_of
from actors.model.requests import CallOptions
from actors.model.services import service_info
from tests.children import python_path
from tests.http import fuzzed_app
from tests.http.served import serving
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = (fuzzed_app.Basket, fuzzed_app.Plain, fuzzed_app.Once)
CASES = int(os.environ.get("PLAYHEAD_FUZZ_CASES", "300"))


def document() -> dict[str, Any]:
    return make_document(ROUTES, [service_info(definition_of(cls)) for cls in CLASSES])


def test_it_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_every_route_and_every_handler_is_in_it_with_its_scope() -> None:
    paths = document()["paths"]
    for route in ROUTES:
        if route.is_documented:
            operation = paths[route.path][route.method.lower()]
            assert operation["summary"] == route.summary
            assert route.scope is None or route.scope.value in operation["description"]
    assert {"/Basket/{key}/put", "/Basket/{key}/put/send", "/Plain/nothing", "/Once/{key}/run/send"} <= set(paths)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
    assert sorted(names) == sorted(set(names))


def test_handlers_say_what_they_take() -> None:
    paths, schemas = document()["paths"], document()["components"]["schemas"]
    body = paths["/Basket/{key}/put"]["post"]["requestBody"]
    assert body["required"]
    item, named = body["content"]["application/json"]["schema"]["anyOf"]
    assert schemas[item["$ref"].rpartition("/")[2]]["required"] == ["name"]
    assert named["required"] == list(named["properties"])
    several, _ = paths["/Basket/{key}/rename"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert (several["required"], sorted(several["properties"])) == (["old"], ["new", "old"])
    assert "requestBody" not in paths["/Plain/nothing"]["post"]


EXAMPLES = {
    "parameter": "",
    "tag": "user=ada",
    "max_duration": "1h",
    "budget": "tokens=5",
    "wait": "true",
    "delay": "1h",
    "debounce": "a",
    "max_delay": "2h",
}


def options_of(path: str) -> set[str]:
    """The names of the options in the query that the document has for a handler."""
    parameters = document()["paths"][path]["post"]["parameters"]
    assert all(each["description"] for each in parameters if each["in"] == "query")
    return {each["name"] for each in parameters if each["in"] == "query"}


async def test_a_handler_takes_the_options_that_its_operations_have_and_no_others(tmp_path: Path) -> None:
    described = {
        "/Plain/nothing": options_of("/Plain/nothing"),
        "/Plain/nothing/send": options_of("/Plain/nothing/send"),
    }
    by_call_options = {field.name for field in attrs.fields(CallOptions)} - {"idempotency_key", "timeout", "tags"}
    assert set.union(*described.values()) == by_call_options | {"tag", "parameter", "wait"}
    async with serving(tmp_path, *CLASSES) as served:
        for path, names in described.items():
            for name in EXAMPLES:
                beside = {"delay": "1h", "debounce": "a"} if name in ("debounce", "max_delay") and name in names else {}
                answered = await served.http.post(path, params=beside | {name: EXAMPLES[name]})
                assert answered.is_success == (name in names), answered.text
                if not answered.is_success:
                    assert answered.json()["path"] == f"$.{name}"


async def test_it_is_served(tmp_path: Path) -> None:
    async with serving(tmp_path, *CLASSES) as served:
        answered = await served.http.get("/openapi.json")
        assert answered.json() == document()
        assert (await served.bare("GET", "/openapi.json")).status_code == 401


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A server process; its address and its token."""
    data = tmp_path / "data"
    command = [sys.executable, "-m", "playhead", "serve", "tests.http.fuzzed_app", "--data", str(data), "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--durability", "os"], cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while (address := read_address(data)) is None:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield address.url, (data / "token").read_text().strip()
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "log").read_text()


def test_generated_requests_find_nothing_that_the_document_does_not_say(
    server: tuple[str, str], tmp_path: Path
) -> None:
    url, token = server
    operations = len([1 for path in document()["paths"].values() for _ in path])
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--config-file",
            str(Path(__file__).with_name("schemathesis.toml")),
        ),
        *("run", f"{url}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--max-examples", str(max(1, CASES // operations + 1))),
        *("--phases", "examples,coverage,fuzzing", "--seed", "1", "--generation-deterministic"),
        *("--checks", "all", "--no-color", "--request-timeout", "20"),
    ]
    # What waits for an end that may never come is not fuzzed.
    command += ["--exclude-path-regex", "attach|/query"]
    environment = os.environ | {"PYTHONPATH": python_path(ROOT)}
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=600, cwd=tmp_path, env=environment
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said[-8_000:]
    cases = re.search(r"(\d+) generated", said.replace(",", ""))
    assert cases is not None, said[-2_000:]
    assert int(cases[1]) >= CASES, said[-2_000:]
