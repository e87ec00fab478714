"""docs/deployments.md is true: its program, run again after an edit, continues what it began with the pool of its start."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from tests.terminal import ROOT
from tests.test_readme import blocks
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@on_virtual_time
async def test_the_program_of_the_page_gives_its_pool_to_the_code_before_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for block in blocks((ROOT / "docs" / "deployments.md").read_text()):
        if block.language == "python":
            (tmp_path / block.lines[0].removeprefix("# ")).write_text("\n".join(block.lines) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    async def run() -> str:
        importlib.invalidate_caches()
        program: Any = importlib.import_module("serve")
        try:
            await program.main()
        finally:
            del sys.modules["serve"], sys.modules["payments"]
        return capsys.readouterr().out

    await run()
    code = tmp_path / "payments.py"
    code.write_text(code.read_text() + "# an edit\n")
    assert await run() == "['first: paid through the pool', 'second: paid through the pool']\n"
