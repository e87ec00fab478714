"""The pictures that the README shows are those that one command takes."""

from __future__ import annotations

import re
import struct

from tests.console.gallery import FOLDER, SHOTS
from tests.console.tools import ROOT


def test_the_readme_shows_pictures_that_are_taken_and_are_there() -> None:
    shown = set(re.findall(r"docs/screenshots/([\w-]+)\.png", (ROOT / "README.md").read_text()))
    assert shown
    assert shown <= {shot.name for shot in SHOTS}
    assert {path.stem for path in FOLDER.iterdir()} == {shot.name for shot in SHOTS}


def test_each_is_as_wide_as_it_says() -> None:
    for shot in SHOTS:
        data = (FOLDER / f"{shot.name}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        assert struct.unpack(">I", data[16:20])[0] == shot.width, shot.name
