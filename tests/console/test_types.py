"""The console's modules are typed: TypeScript reads their JSDoc comments, strictly."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.console.tools import STATIC, TOOLS, packages

TYPES = {
    "preact": "preact/src/index.d.ts",
    "preact/hooks": "preact/hooks/src/index.d.ts",
    "htm": "htm/dist/htm.d.ts",
    "@preact/signals": "@preact/signals/dist/signals.d.ts",
    "@preact/signals-core": "@preact/signals-core/dist/signals-core.d.ts",
    "uplot": "uplot/dist/uPlot.d.ts",
}


def test_every_module_is_typed(tmp_path: Path) -> None:
    modules = packages()
    settings = json.loads((TOOLS / "tsconfig.json").read_text())
    settings["compilerOptions"]["paths"] = {name: [str(modules / path)] for name, path in TYPES.items()}
    sources = [str(path) for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts]
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps(settings | {"files": sources}))
    command = ["node", str(modules / "typescript" / "bin" / "tsc"), "-p", str(config), "--pretty", "false"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_module_makes_markup_from_text() -> None:
    """Not even by a way that the page's policy would stop at run time."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerouslySet|\beval\(|new Function|createContextualFragment"
    )
    found = [
        f"{path.relative_to(STATIC)}:{number}"
        for path in sorted(STATIC.rglob("*.js"))
        if "vendor" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []
