"""Limits from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.shell import Shell


def test_a_limit_is_set_listed_and_deleted(shop: Shell) -> None:
    said = shop.done("playhead limits set service:Waiter --concurrency 2 --rate 100/1m")
    assert "none -> 2 at once, 100/60s" in said
    (found,) = msgspec.json.decode(shop.done("playhead limits list -o json"))
    assert (found["scope"], found["concurrency"], found["rate"], found["waiting"]) == ("service:Waiter", 2, 100, 0)
    assert "100/60s" in shop.done("playhead limits list")
    assert "2 at once, 100/60s -> none" in shop.done("playhead limits delete service:Waiter")
    said = shop.done("playhead limits set everything --budget tokens=120000 --budget euros=0.50")
    assert "none -> 120,000 tokens, 0.5 euros" in said
    assert "0 of 120,000 tokens, 0 of 0.5 euros" in shop.done("playhead limits list")
    for wrong in (
        "everything --budget tokens",
        "everything --budget tokens=1e3",
        "Waiter --concurrency 2",
        "everything --rate 100",
        "everything --rate x/1m",
        "everything --rate 1/0s",
    ):
        assert shop.run(f"playhead limits set {wrong}").code != 0


def test_an_invocation_has_a_budget_and_gets_more(shop: Shell) -> None:
    of = shop.done("playhead send Waiter/wait '\"ada\"' --budget tokens=5 --budget usd=0.50").strip()
    assert "0 of 5 tokens spent, 0 of 0.5 usd spent" in shop.done(f"playhead invocations describe {of}")
    shop.done(f"playhead invocations resume {of} --budget usd=+1.5 --reason 'worth it'")
    assert "0 of 2 usd spent" in shop.done(f"playhead invocations describe {of}")
    for wrong in ("usd=5", "usd", "usd=+x", "usd=+1 --budget usd=+1", "usd=+0"):
        assert shop.run(f"playhead invocations resume {of} --budget {wrong}").code == 2
    misspelt = shop.run(f"playhead invocations resume {of} --budget usdd=+1")
    assert (misspelt.code, "it has: tokens, usd" in misspelt.out + misspelt.err) == (3, True)
    assert shop.run("playhead send Waiter/wait '\"ada\"' --budget tokens").code == 2
    assert shop.run(f"playhead invocations resume {of} --dry-run --budget usd=+1").code == 2
