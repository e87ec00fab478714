"""What was taken from elsewhere: which versions, unchanged, under which licence; and that all of it is shipped."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from actors.http.server.console import ROOT as SERVED
from tests.console.tools import ROOT, STATIC, TOOLS, packages, vendored

VENDOR = STATIC / "vendor"
FOLDERS: list[Any] = [pytest.param(entry, id=str(entry["folder"])) for entry in vendored()]


@pytest.mark.parametrize("entry", FOLDERS)
def test_vendored_files_are_what_their_checksums_say(entry: dict[str, Any]) -> None:
    folder = VENDOR / entry["folder"]
    assert {file.name for file in folder.iterdir()} == set(entry["files"])
    for name, file in entry["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file["sha256"], name
    assert entry["license"] in ("MIT", "Apache-2.0")
    assert "LICENSE" in entry["files"]


def test_nothing_else_lies_among_them() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {entry["folder"] for entry in vendored()} | {"VENDORED.json"}


@pytest.mark.parametrize("entry", FOLDERS)
def test_vendored_files_are_those_of_the_registry(entry: dict[str, Any]) -> None:
    """npm has checked the tarball against the same hash that stands beside the files."""
    locked = json.loads((TOOLS / "package-lock.json").read_text())["packages"][f"node_modules/{entry['package']}"]
    assert (locked["version"], locked["integrity"]) == (entry["version"], entry["tarball"])
    algorithm, _, digest = entry["tarball"].partition("-")
    assert (algorithm, len(base64.b64decode(digest))) == ("sha512", 64)
    for name, file in entry["files"].items():
        assert (packages() / entry["package"] / file["from"]).read_bytes() == (
            VENDOR / entry["folder"] / name
        ).read_bytes()


def test_the_page_names_every_vendored_module_once() -> None:
    page = (STATIC / "index.html").read_text()
    imports = json.loads(page.partition('<script type="importmap">')[2].partition("</script>")[0])["imports"]
    modules = {
        f"./vendor/{entry['folder']}/{name}"
        for entry in vendored()
        for name in entry["files"]  # type: ignore[attr-defined]
        if name.endswith(("js", "mjs"))
    }
    assert set(imports.values()) == modules


def test_a_wheel_has_every_file_that_is_served(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(built).namelist())
    here = {str(file.relative_to(ROOT)) for file in STATIC.rglob("*") if file.is_file()}
    assert str(SERVED) == str(STATIC)
    assert here <= names
