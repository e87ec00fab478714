"""A shell beside a server of the shop, and one where nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.terminal import ROOT, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path) as opened:
        opened.done(f"playhead serve {ROOT / 'tests' / 'cli' / 'shop.py'} --durability os &")
        yield opened


@pytest.fixture
def stopped(shop: Terminal) -> Terminal:
    """The same once its server has ended: three calls, two of which wait and are paused behind a gate."""
    shop.done("""playhead call Shop/a%2Fb/sell '{"what": "tea", "amount": 2}'""")
    shop.done("playhead send Waiter/wait '\"ada\"'; playhead send Waiter/wait '\"bob\"'")
    shop.done("playhead invocations pause Waiter --yes")
    shop.done("playhead gates close service:Waiter --reason 'a look'")
    shop.done("kill $! && wait $!")
    return shop
