"""docs/changing-fields.md is true: its code after the changes reads what its code before them has stored."""

from __future__ import annotations

import linecache
import sys
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from journal.events import Status
from tests.lab import Lab, quiet
from tests.terminal import ROOT
from tests.test_readme import blocks
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = blocks((ROOT / "docs" / "changing-fields.md").read_text())


@pytest.fixture
def code() -> Iterator[dict[str, Any]]:
    """The modules of the page, by name."""
    found: dict[str, Any] = {}
    for block in PAGE:
        if block.language == "python":
            name, text = block.lines[0].removeprefix("# ").removesuffix(".py"), "\n".join(block.lines)
            module = found[name] = sys.modules[name] = ModuleType(name)
            linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
            exec(compile(text, name, "exec"), vars(module))
    yield found
    for name in found:
        del sys.modules[name], linecache.cache[name]


@on_virtual_time
async def test_the_code_after_the_changes_reads_what_the_code_before_has_stored(code: dict[str, Any]) -> None:
    before, after = code["before"], code["after"]
    lab = Lab(after.Cart)
    async with lab.running(before.Cart) as runtime:
        await runtime.client.actor(before.Cart, "7").put("ada", before.Item("tea", 250, "green"))
    async with lab.running(after.Cart) as runtime:
        cart = runtime.client.actor(after.Cart, "7")
        assert await cart.put("bob", after.Item("cup", Decimal("1.25"), 2)) == "5.00 EUR"
        info = await runtime.client.object("Cart", "7").info()
        assert info.fields == {
            "amount": "5.00",
            "currency": "EUR",
            "customer": "bob",
            "items": [
                {"title": "tea", "price": "2.5", "count": 1},
                {"title": "cup", "price": "1.25", "count": 2},
            ],
            "total": 250,
            "voucher": "SPRING",
        }
        assert (info.logs, info.undeclared) == ({"remarks": 2}, ("voucher",))
        queries = [line.split('"')[1] for block in PAGE for line in block.lines if line.startswith("playhead sql")]
        found = [(await runtime.client.query(sql)).rows for sql in queries]
        assert found == [[["7"]], [["Cart", "7", "voucher"]]]


@on_virtual_time
async def test_without_the_method_the_reader_is_paused_with_the_field_the_class_and_the_attribute(
    code: dict[str, Any],
) -> None:
    before, after = code["before"], code["after"]
    lab = Lab(after.Cart)
    async with lab.running(before.Cart) as runtime:
        await runtime.client.actor(before.Cart, "7").put("ada", before.Item("tea", 250))
    upgrade = after.Item.__upgrade_stored__
    after.Item.__upgrade_stored__ = classmethod(lambda _, stored: stored)
    async with lab.running(after.Cart) as runtime:
        handle = await runtime.client.actor(after.Cart, "7").put.send("bob", after.Item("cup", Decimal(1)))
        await quiet()
        info = await runtime.client.invocation(handle.id).info()
        assert info.status is Status.PAUSED
        for word in ("items[0]", "Item", "name", "__upgrade_stored__"):
            assert word in info.pause_reason
        after.Item.__upgrade_stored__ = upgrade
        await runtime.client.invocation(handle.id).resume()
        assert await runtime.client.invocation(handle.id).result() == "3.5 EUR"
