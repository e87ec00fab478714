"""Errors of users arrive as themselves, with their attributes, or as a ``TerminalError``; never as another exception."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import enum
import math
import threading
import uuid
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import pytest

import actors
from actors import RetryPolicy, Service, TerminalError, handler, step
from actors.model.verbs.steps import run
from actors.values.error_details import CARRIED_BYTES, DETAILS_BYTES
from actors.values.failures import failure_of
from actors.values.outcomes import error_of
from tests.http.served import serving
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from nowhere import Missing  # type: ignore[import-not-found]  # for the type checker alone, as users have them

T = TypeVar("T")


class Why(enum.Enum):
    EMPTY = "empty"


@attrs.frozen
class Money:
    amount: decimal.Decimal
    currency: str


class Plain(TerminalError):
    def __init__(self, balance: int) -> None:
        super().__init__(f"balance is {balance}", details={"seen": [balance]})
        self.balance = balance


class Worded(TerminalError):
    def __init__(self, balance: int) -> None:
        super().__init__("x")
        self.balance = balance

    def __str__(self) -> str:
        return f"balance is {self.balance}"


class Bare(TerminalError):
    def __init__(self, balance: int) -> None:  # without its base's
        self.balance = balance


@attrs.frozen
class Frozen(TerminalError):
    balance: int
    why: Why = Why.EMPTY


@attrs.define
class Slotted(TerminalError):
    balance: Money
    details: dict[str, int] = attrs.field(factory=dict)


@dataclasses.dataclass
class Data(TerminalError):
    balance: int
    history: list[Money] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class FrozenData(TerminalError):
    balance: int


@dataclasses.dataclass(frozen=True)
class Derived(FrozenData):
    why: Why = Why.EMPTY


class DerivedPlainly(FrozenData):
    pass


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots(TerminalError):
    balance: int


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Computed(TerminalError):
    balance: int
    factor: dataclasses.InitVar[int] = 2
    product: int = dataclasses.field(init=False, repr=False)

    def __post_init__(self, factor: int) -> None:
        object.__setattr__(self, "product", factor * self.balance)

    @property
    def half(self) -> int:
        return self.product // 2


@dataclasses.dataclass(frozen=True)
class FrozenDetails(TerminalError):
    balance: Money
    details: dict[str, int] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"balance is {self.balance.amount}"


class Reduced(TerminalError):
    """Asked for by those who pickle, which nobody does here."""

    def __init__(self, *, balance: int) -> None:
        super().__init__("reduced")
        self.balance = balance

    def __reduce__(self) -> Any:
        raise SystemExit(1)

    __setstate__ = __getstate__ = __reduce__


class NeedsArguments(TerminalError):
    def __new__(cls, balance: int, reason: str) -> NeedsArguments:
        return super().__new__(cls)

    def __init__(self, balance: int, reason: str) -> None:
        super().__init__(reason)
        self.balance = balance


class OwnDetails(TerminalError):
    @property
    def details(self) -> dict[str, int]:
        return {"a": 1}


class MoneyDetails(TerminalError):
    details: dict[str, Money]


class OwnType(TerminalError):
    def __init__(self, kind: Any) -> None:
        super().__init__("no")
        self.type = kind


class Missed(TerminalError, KeyError):
    """Shown with quotes, as a ``KeyError`` is."""


class Full(TerminalError, OSError):
    def __init__(self, path: str) -> None:
        OSError.__init__(self, 28, "no space", path)


class Typed(TerminalError):
    def __init__(self, why: Why, money: Money, unknown: Missing = None) -> None:
        super().__init__("typed")
        self.why = why
        self.money = money


class Annotated(TerminalError):
    why: Why
    money: Money | None = None

    def __init__(self) -> None:
        super().__init__("annotated")
        self.why = Why.EMPTY
        self.money = Money(decimal.Decimal("1.50"), "EUR")


class Nested(TerminalError):
    class Code(enum.Enum):
        LOW = 1

    def __init__(self, code: Code) -> None:
        super().__init__("nested")
        self.code = code


class Untyped(TerminalError):
    def __init__(self, **attributes: Any) -> None:
        super().__init__("untyped", details={"kept": True})
        self.__dict__.update(attributes)


class Detailed(TerminalError):
    """Keeps nothing but details."""


class Boxed(TerminalError, Generic[T]):
    pass


class Refusal(actors.RefusedError):
    http_status = 402

    def __init__(self, path: int) -> None:
        super().__init__("refused")
        self.path = path
        self.status = "declined"


def noted() -> TerminalError:
    error = Plain(5)
    error.add_note("seen twice")
    return error


VALUES: dict[str, Any] = {
    "none": None,
    "numbers": [True, 5, 5.0, -0.0, 10**40],
    "infinity": math.inf,
    "text": "é",
    "bytes": b"\x00\xff",
    "time": datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC),
    "day": datetime.date(2030, 1, 2),
    "span": datetime.timedelta(microseconds=1),
    "money": decimal.Decimal("0.10"),
    "uuid": uuid.UUID(int=7),
    "tuple": (1, ("a", {2, 3}), frozenset({4})),
    "dictionary": {1: "a", (2, 3): {"$": "b"}, "$": "c"},
}
ITSELF: dict[str, Callable[[], TerminalError]] = {
    "plain": lambda: Plain(5),
    "text of its own": lambda: Worded(5),
    "without the init of its base": lambda: Bare(5),
    "frozen": lambda: Frozen(5),
    "slots": lambda: Slotted(Money(decimal.Decimal(5), "EUR"), {"a": 1}),
    "data class": lambda: Data(5, [Money(decimal.Decimal(5), "EUR")]),
    "frozen data class": lambda: FrozenData(5),
    "frozen data class derived from one": lambda: Derived(5),
    "class derived from a frozen one": lambda: DerivedPlainly(5),
    "frozen data class with slots": lambda: FrozenSlots(5),
    "frozen data class that computes": lambda: Computed(balance=5),
    "frozen data class with details": lambda: FrozenDetails(Money(decimal.Decimal(5), "EUR"), {"a": 1}),
    "reduced": lambda: Reduced(balance=5),
    "arguments for new": lambda: NeedsArguments(5, "x"),
    "details of its own": lambda: OwnDetails("x"),
    "details of a class that is annotated": lambda: MoneyDetails("x", details={"a": Money(decimal.Decimal(5), "EUR")}),
    "type that is a number": lambda: OwnType(404),
    "type that is a word": lambda: OwnType("card_error"),
    "key error": lambda: Missed("a"),
    "os error": lambda: Full("/tmp/x"),
    "typed by its init": lambda: Typed(Why.EMPTY, Money(decimal.Decimal(5), "EUR")),
    "typed by its class": lambda: Annotated(),
    "typed by a class in its own": lambda: Nested(Nested.Code.LOW),
    "generic": lambda: Boxed[int]("x"),
    "refusal": lambda: Refusal(7),
    "notes": noted,
    **{f"details {name}": lambda value=value: Detailed("x", details=value) for name, value in VALUES.items()},
    **{
        f"details of no class {name}": lambda value=value: TerminalError("x", details=value)
        for name, value in VALUES.items()
    },
    **{f"untyped {name}": lambda value=value: Untyped(value=value) for name, value in VALUES.items()},
}


class FrozenByHand(TerminalError):
    """Python itself cannot raise it through a context manager of ``contextlib``."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class Several(TerminalError, ExceptionGroup[Exception]):
    def __init__(self, *_: Any) -> None:
        super().__init__("several")


class Torn(TerminalError):
    """Says what it cannot say a second time."""

    count = 0

    def __str__(self) -> str:
        type(self).count += 1
        return f"{self.count}"


class Shy(TerminalError):
    def __init__(self) -> None:
        super().__init__("shy")
        self.lock = threading.Lock()

    def __str__(self) -> str:
        return f"shy {self.lock.locked()}"


class Touchy(TerminalError):
    def __str__(self) -> str:
        raise SystemExit(1)


class NotEven:
    def __eq__(self, other: object) -> bool:
        raise SystemExit(1)

    __hash__ = None  # type: ignore[assignment]


OTHERWISE: dict[str, Callable[[], TerminalError]] = {
    "frozen by hand": lambda: FrozenByHand("x"),
    "group": lambda: Several("x", [Plain(5), ValueError("x")]),
    "text that changes": Torn,
    "attribute that is no value": Shy,
    "text that raises": Touchy,
    "enumeration without an annotation": lambda: Untyped(why=Why.EMPTY),
    "attribute that cannot be compared": lambda: Untyped(value=NotEven()),
    "attribute that is not UTF-8": lambda: Untyped(name="caf\udce9.txt"),
    "argument that is not UTF-8": lambda: Detailed("caf\udce9.txt"),
    "attribute that is too long an int": lambda: Untyped(number=10**5000),
    "attribute that is too long an int with its sign": lambda: Untyped(number=1 - 10**4300),
    "attributes that are too long": lambda: Untyped(text="x" * CARRIED_BYTES),
    "attribute that holds itself": lambda: Untyped(items=endless()),
}


BENT: dict[str, Callable[[], TerminalError]] = {
    "of a class": lambda: Detailed("why", details={"a": [Money(decimal.Decimal(5), "EUR")]}),
    "of another class than is annotated": lambda: MoneyDetails("why", details={"a": Why.EMPTY}),
    "with a member": lambda: TerminalError("why", details=Why.EMPTY),
    "with a member as a key": lambda: Detailed("why", details={Why.EMPTY: 1}),
    "that are no value": lambda: Detailed("why", details={"lock": threading.Lock()}),
    "that are not UTF-8": lambda: Detailed("why", details=["caf\udce9.txt"]),
    "with too long an int": lambda: Detailed("why", details={"a": 1 - 10**4300}),
    "that hold themselves": lambda: Detailed("why", details=endless()),
    "that are too long": lambda: Detailed("why", details=["x" * DETAILS_BYTES]),
    "that are too long with their types": lambda: Detailed("why", details=[b"x" * DETAILS_BYTES]),
}


def endless() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def attributes_of(error: BaseException) -> dict[str, Any]:
    slots = ["errno", "strerror", "filename", *getattr(type(error), "__slots__", ())]
    found = {name: getattr(error, name) for name in slots if hasattr(error, name) and not name.startswith("__")}
    own = {name: value for name, value in vars(error).items() if name not in ("invocation_id", "__orig_class__")}
    return {**found, **own, "args": error.args, "text": str(error), "details": error.details, "type": error.type}  # type: ignore[attr-defined]


def assert_arrived(error: BaseException, which: str) -> None:
    sent = ITSELF[which]()
    assert type(error) is type(sent)
    wanted = attributes_of(sent)
    if not wanted["type"]:
        wanted["type"] = failure_of(sent).type  # what its own ``__init__`` left out
    found = attributes_of(error)
    assert {name: repr(found[name]) for name in wanted} == {name: repr(value) for name, value in wanted.items()}


def assert_named(error: BaseException, which: str) -> None:
    kind = type(OTHERWISE[which]())
    assert type(error) is TerminalError
    assert error.type == f"{__name__}.{kind.__name__}"
    assert str(error).startswith(error.type)
    assert error.details == ({"kept": True} if kind is Untyped else None)


@step(retry=RetryPolicy(max_attempts=1))
async def raise_in_step(which: str) -> None:
    raise {**ITSELF, **OTHERWISE}[which]()


@step(retry=RetryPolicy(max_attempts=1))
def raise_in_thread(which: str) -> None:
    raise {**ITSELF, **OTHERWISE}[which]()


@contextlib.asynccontextmanager
async def transaction() -> AsyncIterator[None]:
    yield


class Raising(Service):
    @handler
    async def bent(self, which: str) -> None:
        raise BENT[which]()

    @handler
    async def raise_it(self, which: str) -> None:
        raise {**ITSELF, **OTHERWISE}[which]()

    @handler
    async def in_a_step(self, which: str) -> None:
        await raise_in_step(which)

    @handler
    async def in_a_thread(self, which: str) -> None:
        await raise_in_thread(which)

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def in_a_transaction(self, which: str) -> None:
        async with transaction():
            raise ITSELF[which]()

    @handler
    async def through_a_call(self, which: str) -> str:
        try:
            with actors.fail_after(5):
                await actors.service(Raising).raise_it.options(timeout=3)(which)
        except TerminalError as error:
            assert_arrived(error, which) if which in ITSELF else assert_named(error, which)
        return which

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def in_a_deadline(self) -> None:
        with actors.fail_after(5):
            raise FrozenByHand("x")

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def not_terminal(self) -> None:
        raise Carrying

    @handler
    async def not_terminal_in_a_step(self) -> None:
        await run(carry, retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))


class Carrying(Exception):
    details: Any = {"code": 7}


def carry() -> None:
    raise Carrying


@pytest.fixture
def lab() -> Lab:
    return Lab(Raising)


@pytest.mark.parametrize("which", ITSELF)
def test_an_error_is_made_again_from_its_record(which: str) -> None:
    assert_arrived(error_of(failure_of(ITSELF[which]())), which)


@pytest.mark.parametrize("which", OTHERWISE)
def test_an_error_that_cannot_be_made_again_is_named(which: str) -> None:
    assert_named(error_of(failure_of(OTHERWISE[which]())), which)


@on_virtual_time
@pytest.mark.parametrize("which", [*ITSELF, *OTHERWISE])
async def test_it_arrives_at_a_client_out_of_a_step_and_in_a_handler(lab: Lab, which: str) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Raising)
        for where in ("raise_it", "in_a_step", "in_a_thread"):
            with pytest.raises(TerminalError) as caught:
                await getattr(service, where)(which)
            assert_arrived(caught.value, which) if which in ITSELF else assert_named(caught.value, which)
            assert caught.value.invocation_id is not None
        assert await service.through_a_call(which) == which  # through context managers


async def test_it_arrives_over_http(tmp_path: Path) -> None:
    async with serving(tmp_path, Raising) as served, served.client() as client:
        for which in (*ITSELF, *OTHERWISE):
            with pytest.raises(TerminalError) as caught:
                await client.service(Raising).raise_it(which)
            assert_arrived(caught.value, which) if which in ITSELF else assert_named(caught.value, which)


@on_virtual_time
@pytest.mark.parametrize("which", BENT)
async def test_details_that_cannot_be_kept_are_refused(lab: Lab, which: str) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.errors.UnserializableError, match="why") as caught:
            await runtime.client.service(Raising).bent(which)
        assert type(BENT[which]()).__name__ in str(caught.value)
        assert caught.value.details is None


async def test_details_that_cannot_be_kept_are_refused_over_http(tmp_path: Path) -> None:
    async with serving(tmp_path, Raising) as served, served.client() as client:
        for which in BENT:
            with pytest.raises(actors.errors.UnserializableError):
                await client.service(Raising).bent(which)


def test_details_of_an_error_that_is_not_terminal_are_left_out_if_they_cannot_be_kept() -> None:
    for details in ({"a": Why.EMPTY}, ["x" * DETAILS_BYTES]):
        error = Carrying()
        error.details = details
        assert failure_of(error).details == b""


def test_details_are_kept_up_to_their_limit() -> None:
    details = "x" * (DETAILS_BYTES - 2)
    assert error_of(failure_of(Detailed("why", details=details))).details == details


@on_virtual_time
async def test_an_error_that_permits_nothing_passes_through_a_deadline(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(TerminalError) as caught:
            await runtime.client.service(Raising).in_a_deadline()
        assert caught.value.type == f"{__name__}.FrozenByHand"


async def test_an_error_that_permits_nothing_comes_out_of_a_real_thread(tmp_path: Path) -> None:
    async with actors.open_runtime(Raising, path=tmp_path) as runtime:
        with pytest.raises(TerminalError) as caught:
            await runtime.client.service(Raising).in_a_thread("frozen by hand")
        assert_named(caught.value, "frozen by hand")


@on_virtual_time
@pytest.mark.parametrize("which", [which for which in ITSELF if "frozen" in which])
async def test_a_frozen_error_passes_through_a_users_context_manager(lab: Lab, which: str) -> None:
    async with lab.running() as runtime:
        with pytest.raises(TerminalError) as caught:
            await runtime.client.service(Raising).in_a_transaction(which)
        assert_arrived(caught.value, which)


def test_the_fields_of_a_frozen_error_stay_frozen() -> None:
    error = error_of(failure_of(FrozenData(5)))
    error.add_note("seen")
    with pytest.raises(dataclasses.FrozenInstanceError):
        error.balance = 6  # type: ignore[attr-defined]


@on_virtual_time
async def test_an_error_that_is_not_terminal_is_told_with_its_details(lab: Lab) -> None:
    async with lab.running() as runtime:
        for call in (
            runtime.client.service(Raising).not_terminal,
            runtime.client.service(Raising).not_terminal_in_a_step,
        ):
            with pytest.raises(TerminalError) as caught:
                await call()
            assert (caught.value.type, caught.value.details) == (f"{__name__}.Carrying", {"code": 7})
