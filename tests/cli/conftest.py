"""The command line beside a server of the shop, and where nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.shell import Shell, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as opened:
        opened.start()
        yield opened


@pytest.fixture
def stopped(shop: Shell) -> Shell:
    """The same once its server has ended: three calls, two of which wait and are paused behind a gate."""
    shop.done("""playhead call Shop/a%2Fb/sell '{"what": "tea", "amount": 2}'""")
    shop.done("playhead send Waiter/wait '\"ada\"'")
    shop.done("playhead send Waiter/wait '\"bob\"'")
    shop.done("playhead invocations pause Waiter --yes")
    shop.done("playhead gates close service:Waiter --reason 'a look'")
    shop.stop()
    return shop
