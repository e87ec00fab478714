"""What a snapshot covers, and what names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors.code.discovery import snapshot_of, snapshot_of_classes
from actors.values import snapshot as snapshots
from actors.values.snapshot import Snapshot, pack, unpack
from tests.deployments.apps import snapshot, write
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path


def test_a_module_brings_along_what_it_imports_from_its_own_folder(tmp_path: Path) -> None:
    found = snapshot(
        tmp_path,
        app="import prices\nfrom tools.text import shout\nimport json, attrs, trio\n",
        prices="def now():\n    import rates\n    return rates.RATE\n",
        rates="RATE = 2\n",
        tools__text="from . import letters\n",
        tools__letters="",
        tools__unused="",
        unused="",
    )
    assert sorted(found.files) == [
        "app.py",
        "prices.py",
        "rates.py",
        "tools/__init__.py",
        "tools/letters.py",
        "tools/text.py",
    ]
    assert found.entries == ("app",)
    assert found.own_names == {"app", "prices", "rates", "tools"}


def test_installed_packages_the_standard_library_and_playhead_are_not_in_it(tmp_path: Path) -> None:
    write(tmp_path, random="SHADOW = True\n")
    found = snapshot(tmp_path, app="import actors, random, trio, attrs, cattrs.gen\nfrom journal import ids\n")
    assert list(found.files) == ["app.py"]


def test_a_package_is_taken_from_its_top_and_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path, shop__deep__orders="from ..prices import RATE\nimport beside\n", shop__prices="RATE = 1\n", beside=""
    )
    monkeypatch.chdir(tmp_path)
    found = snapshot_of("shop.deep.orders")
    assert sorted(found.files) == ["shop/__init__.py", "shop/deep/__init__.py", "shop/deep/orders.py", "shop/prices.py"]


def test_files_of_a_package_that_are_no_code_come_along(tmp_path: Path) -> None:
    write(tmp_path, app="import shop\n", shop__unused="")
    (tmp_path / "shop" / "prompts").mkdir()
    (tmp_path / "shop" / "prompts" / "plan.txt").write_text("plan")
    (tmp_path / "shop" / ".secret").write_text("no")
    (tmp_path / "beside.txt").write_text("no")
    found = snapshot_of(tmp_path / "app.py")
    assert sorted(found.files) == ["app.py", "shop/__init__.py", "shop/prompts/plan.txt"]


def test_a_module_that_is_imported_by_a_name_written_out_is_found(tmp_path: Path) -> None:
    found = snapshot(
        tmp_path, app="import importlib\nimportlib.import_module('plugin')\n__import__(name)\n", plugin="X = 1\n"
    )
    assert "plugin.py" in found.files


def test_the_name_is_that_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    one = snapshot(tmp_path / "one", app="import other\n", other="X = 1\n")
    same = snapshot(tmp_path / "two", app="import other\n", other="X = 1\n", unused="")
    changed = snapshot(tmp_path / "three", app="import other\n", other="X = 2\n")
    assert one.deployment == same.deployment != changed.deployment
    assert one.deployment.startswith("dep_")
    assert len(one.deployment) == 20
    moved = {"a.py": b"bc", "b.py": b""}, {"a.py": b"b", "b.py": b"c"}
    assert len({Snapshot(("a",), files).deployment for files in moved}) == 2, "where a file ends matters"
    assert Snapshot(("a",), {"a.py": b""}).deployment != Snapshot(("a:B",), {"a.py": b""}).deployment


def test_a_snapshot_has_limits_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_BYTES", 10)
    limit = {"limit": "deployment_bytes", "code": "too_large", "maximum": 10, "found": 22}
    with raises(actors.LimitExceededError, **limit):
        snapshot(tmp_path, app="# a comment to fill it")


def test_code_that_is_no_python_is_kept_as_it_is_and_fails_when_it_is_loaded(tmp_path: Path) -> None:
    assert snapshot(tmp_path, app="def broken(:\n").files["app.py"] == b"def broken(:\n"


def test_packing_keeps_everything_and_unpacking_checks_the_name(tmp_path: Path) -> None:
    found = snapshot(tmp_path, app="X = 1\n" * 1000)
    data = pack(found)
    assert len(data) < 500
    assert unpack(found.deployment, data) == found
    with pytest.raises(actors.errors.BrokenDeploymentError, match=f"is that of {found.deployment}"):
        unpack("dep_0000000000000000", data)
    for spoilt in (data[:-10], b"", b"noise", data[:20] + b"\0" + data[21:]):
        with pytest.raises(actors.errors.BrokenDeploymentError):
            unpack(found.deployment, spoilt)


def test_a_packed_snapshot_cannot_write_outside_of_its_folder() -> None:
    for path in ("/etc/passwd", "../x.py", "a/../../x.py"):
        evil = Snapshot(("x",), {path: b""})
        with pytest.raises(actors.errors.BrokenDeploymentError, match="outside its root"):
            unpack(evil.deployment, pack(evil))


class Here(actors.Service):
    @actors.handler
    async def run(self) -> None: ...


def test_classes_lead_to_the_modules_that_they_are_defined_in() -> None:
    found = snapshot_of_classes([Here])
    assert found is not None
    assert found.entries == ("tests.deployments.test_snapshots",)
    assert {
        "tests/deployments/test_snapshots.py",
        "tests/deployments/apps.py",
        "tests/__init__.py",
    } <= found.files.keys()
    assert not any(path.startswith(("actors/", "journal/")) for path in found.files)


def test_classes_that_were_typed_in_have_no_snapshot() -> None:
    typed = type("Typed", (actors.Service,), {"__module__": "nowhere", "run": actors.handler(_run)})
    assert snapshot_of_classes([typed]) is None


async def _run(self: object) -> None: ...


def test_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with raises(actors.errors.DefinitionError, reason="source", name=str(tmp_path / "app.py")):
        snapshot_of(tmp_path / "app.py")
    with raises(actors.errors.DefinitionError, reason="source", name="no.such.module"):
        snapshot_of("no.such.module")


def test_classes_that_a_function_makes_have_no_snapshot() -> None:
    class Within(actors.Service):
        @actors.handler
        async def run(self) -> None: ...

    assert snapshot_of_classes([Within]) is None


@pytest.mark.parametrize(("entries", "files"), [(("caf\udce9",), {}), (("app",), {"app/caf\udce9.txt": b""})])
def test_a_file_whose_name_is_not_utf8_cannot_be_kept(entries: tuple[str, ...], files: dict[str, bytes]) -> None:
    with raises(actors.errors.DefinitionError, reason="source"):
        Snapshot(entries, files)
