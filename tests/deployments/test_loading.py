"""Deployments side by side in one process: each sees its own modules, nobody else sees any."""

from __future__ import annotations

import inspect
import sys
import traceback
import typing
from typing import TYPE_CHECKING, Any

import cattrs
import pytest

import actors
from actors.code.loading import Loaded, load, unload
from actors.errors import TerminalError
from actors.errors.names import type_name
from actors.values import codec_for
from actors.values.failures import failure_of
from actors.values.loaded_code import find_loaded
from actors.values.outcomes import error_of
from tests.deployments.apps import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

APP = """
    from __future__ import annotations
    import attrs
    import actors
    import rates
    from shop.orders import Order
    import shop.orders as orders

    VERSION = {version}

    class TooMuch(actors.TerminalError): ...

    class Till(actors.Actor):
        order: Order | None = None

        @actors.handler
        async def pay(self, order: Order) -> Order:
            return order

    def late():
        import shop.prices
        from shop import prices
        assert shop.prices is prices
        return prices.PRICE

    def dynamic():
        import importlib
        from importlib import import_module
        assert importlib.import_module("rates") is import_module("rates")
        import importlib.util
        assert importlib.util.find_spec("json") is not None
        return importlib.import_module("shop.prices").PRICE

    def fail():
        raise TooMuch("version {version}")
"""
ORDERS = """
    import attrs
    from .prices import PRICE
    from . import prices

    @attrs.define
    class Order:
        price: "Price"

    @attrs.define
    class Price:
        amount: int = PRICE
"""


Loading = typing.Callable[..., Loaded]


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Callable[..., Loaded]]:
    """Write an application, and load it."""
    loaded: list[str] = []

    def write_and_load(where: str = "app", **sources: str) -> Loaded:
        found = load(snapshot(tmp_path / where, **sources), tmp_path / "cache")
        loaded.append(found.deployment)
        return found

    before = set(sys.modules)
    yield write_and_load
    for deployment in loaded:
        unload(deployment)
    assert not {name for name in set(sys.modules) - before if name.startswith("dep_")}


def version(loading: Loading, number: int) -> Any:
    loaded = loading(
        f"v{number}",
        app=APP.format(version=number),
        rates="RATE = 1\n",
        shop__orders=ORDERS,
        shop__prices=f"PRICE = {number}\n",
    )
    return loaded.module("app")


def test_two_versions_live_side_by_side_each_with_its_own_modules(loading: Loading) -> None:
    one, two = version(loading, 1), version(loading, 2)
    assert (one.VERSION, two.VERSION) == (1, 2)
    assert one.Till is not two.Till
    assert one.orders.Price().amount == 1
    assert two.orders.Price().amount == 2
    assert not {"app", "rates", "shop", "shop.orders"} & set(sys.modules), "the application's own names stay free"


def test_imports_within_functions_and_by_name_find_the_same_version(loading: Loading) -> None:
    one, two = version(loading, 1), version(loading, 2)
    assert (one.late(), two.late()) == (1, 2)
    assert (one.dynamic(), two.dynamic()) == (1, 2)


def test_types_resolve_in_their_own_version(loading: Loading) -> None:
    one, two = version(loading, 1), version(loading, 2)
    assert typing.get_type_hints(one.orders.Order)["price"] is one.orders.Price
    assert typing.get_type_hints(two.Till.pay.__wrapped__)["order"] is two.Order
    assert cattrs.structure({"price": {"amount": 7}}, two.Order) == two.Order(two.orders.Price(7))
    assert codec_for(one.Order).decode(b'{"price":{"amount":3}}') == one.Order(one.orders.Price(3))


def test_source_and_tracebacks_show_the_snapshot(loading: Loading, tmp_path: Path) -> None:
    one, two = version(loading, 1), version(loading, 2)
    (tmp_path / "v1" / "app.py").write_text("changed = True\n")
    assert "VERSION = 1" in inspect.getsource(one)
    assert 'TooMuch("version 2")' in inspect.getsource(two.fail)
    with pytest.raises(TerminalError) as caught:
        one.fail()
    assert 'raise TooMuch("version 1")' in "".join(traceback.format_exception(caught.value))


def test_what_is_recorded_of_an_error_does_not_name_the_deployment(loading: Loading) -> None:
    one, two = version(loading, 1), version(loading, 2)
    with pytest.raises(TerminalError) as caught:
        one.fail()
    failure = failure_of(caught.value)
    assert failure.type == type_name(one.TooMuch) == caught.value.type == "app.TooMuch"
    assert type(error_of(failure, deployment=two.__name__.partition(".")[0])) is two.TooMuch
    assert type(error_of(failure, deployment=one.__name__.partition(".")[0])) is one.TooMuch
    assert type(error_of(failure)) is TerminalError, "whoever imports no version knows no class of it"


def test_an_error_that_a_version_does_not_have_is_not_taken_from_another(loading: Loading) -> None:
    one = version(loading, 1)
    with pytest.raises(TerminalError) as caught:
        one.fail()
    bare = loading(
        "bare", app="import actors\nclass A(actors.Service):\n    @actors.handler\n    async def a(self): ...\n"
    )
    error = error_of(failure_of(caught.value), deployment=bare.deployment)
    assert type(error) is TerminalError
    assert error.type == "app.TooMuch"
    deadlock = failure_of(actors.errors.DeadlockError("x"))
    assert type(error_of(deadlock, deployment=bare.deployment)) is actors.errors.DeadlockError


def test_an_error_of_a_module_run_as_a_program_is_known_to_its_snapshot(loading: Loading) -> None:
    one = version(loading, 1)
    failure = failure_of(_error_of(one))
    as_program = type(failure)(type="__main__.TooMuch", message="x")
    assert type(error_of(as_program, deployment=one.__name__.partition(".")[0])) is one.TooMuch


def _error_of(module: Any) -> BaseException:
    with pytest.raises(TerminalError) as caught:
        module.fail()
    return caught.value


def test_code_that_fails_leaves_nothing_and_says_where(loading: Loading, tmp_path: Path) -> None:
    broken = snapshot(
        tmp_path / "broken", app="import half\n", half="import json\nimport tenth\nclass X: pass\n", tenth="1/0\n"
    )
    finders = list(sys.meta_path)
    for _ in range(2):
        with pytest.raises(actors.errors.BrokenDeploymentError, match="ZeroDivisionError: division by zero") as caught:
            load(broken, tmp_path / "cache")
        assert 'tenth.py", line 1' in caught.value.traceback
        assert caught.value.deployment == broken.deployment
        assert find_loaded(broken.deployment) is None
        assert not [name for name in sys.modules if name.startswith(broken.deployment)]
        assert sys.meta_path == finders


@pytest.mark.parametrize(
    ("source", "because"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module_anywhere\n", "ModuleNotFoundError"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("X = 1\n", "defines no Actor"),
        (
            "import actors\nclass A(actors.Actor):\n    x: 'Nowhere' = 1\n    @actors.handler\n    async def a(self): ...\n",
            "Nowhere",
        ),
    ],
)
def test_whatever_is_wrong_with_code_is_one_error(tmp_path: Path, source: str, because: str) -> None:
    with pytest.raises(actors.errors.BrokenDeploymentError, match=because):
        load(snapshot(tmp_path, app=source), tmp_path / "cache")


def test_a_cache_that_was_tampered_with_is_written_again(loading: Loading, tmp_path: Path) -> None:
    one = version(loading, 1)
    deployment = one.__name__.partition(".")[0]
    unload(deployment)
    (tmp_path / "cache" / deployment / "app.py").write_text("VERSION = 'stale'\n")
    assert version(loading, 1).VERSION == 1
    assert not list((tmp_path / "cache").rglob("__pycache__"))


def test_a_namespace_package_and_a_data_file_work(loading: Loading, tmp_path: Path) -> None:
    (tmp_path / "app" / "plain").mkdir(parents=True)
    (tmp_path / "app" / "plain" / "inner.py").write_text("X = 5\n")
    (tmp_path / "app" / "shop").mkdir()
    (tmp_path / "app" / "shop" / "words.txt").write_text("hello")
    loaded = loading(
        app="""
        import actors, plain.inner, shop.words
        X = plain.inner.X
        class A(actors.Service):
            @actors.handler
            async def a(self): ...
        """,
        shop__words="from pathlib import Path\nTEXT = (Path(__file__).parent / 'words.txt').read_text()\n",
    )
    assert loaded.module("app").X == 5
    assert loaded.module("shop.words").TEXT == "hello"
