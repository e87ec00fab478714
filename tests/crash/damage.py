"""Damage to a store that nobody has open, and what comes of it.

    python -m tests.crash.damage STORE OLDER [KIND]

Reads seeds from stdin, one a line, and for each damages a copy of the store, by chance of that seed. Then it asks the doctor, and a
runtime for everything that it knows; what the answers would be without the damage it has asked before. Says a :class:`Verdict` as JSON
for each. ``OLDER`` is the same store as it was once, ``KIND`` the only kind of damage to do. Each is done in a process of its own, since it may
well end that. ``CRASH_BLIND`` makes the doctor blind, so that it can be judged who would notice.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

import actors
from actors.model.classes import definition_of
from actors.runtime import open_runtime
from cli.commands.doctor import look
from journal import keys
from journal.errors import JournalError
from journal.ids import StreamId
from journal.kv.store import Durability, scan_all
from journal.log.open import open_journal
from journal.log.protocol import Append
from tests.crash.bank import Account, Bank
from tests.crash.operations import ACCOUNTS
from tests.data_copies import copied

if TYPE_CHECKING:
    from actors import Client

PAGE_BYTES = 4096
PATIENCE_SECONDS = 60.0
_MATTERS = (".sst", ".log", "CURRENT", "STORE", "MARK")
_KNOWN = (actors.ActorError, JournalError)


@attrs.frozen
class Verdict:
    """What came of a damage. ``said`` is what the doctor found, or an error of ours said, when opening or as an answer; ``differs``
    names the answers that were other values; ``broken`` is what no store should do to its users."""

    damage: str
    said: list[str] = attrs.field(factory=list)
    differs: list[str] = attrs.field(factory=list)
    broken: str = ""

    @property
    def is_silent(self) -> bool:
        """Whether an answer was wrong, and nothing says so."""
        return bool(self.differs) and not self.said

    @property
    def kind(self) -> str:
        """In a word or two."""
        if self.is_silent or self.broken:
            return "silent or broken"
        if not self.said:
            return "as before"
        if all(one.startswith("doctor") for one in self.said):
            return "told by the doctor alone" + (", and other answers" if self.differs else "")
        return "refused" if any(one.startswith("opening") for one in self.said) else "told in answers"


# Damages.


def damage(random: Random, directory: Path, older: Path, kind: str = "") -> str:
    """Do one; what it is."""
    (chosen,) = random.choices([*KINDS], [weight for _, weight in KINDS.values()])
    return KINDS[kind or chosen][0](random, directory, older)


def _some_file(random: Random, directory: Path) -> Path:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.stat().st_size)
    (chosen,) = random.choices(
        files, [5 if path.name.endswith(_MATTERS) or "MANIFEST" in path.name else 1 for path in files]
    )
    return chosen


def _changed(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def _flip(random: Random, directory: Path, older: Path) -> str:
    path = _some_file(random, directory)
    bit = random.randrange(8 * path.stat().st_size)

    def flip(data: bytearray) -> None:
        data[bit // 8] ^= 1 << bit % 8

    _changed(path, flip)
    return f"bit {bit} of {path.name} is flipped"


def _cut(random: Random, directory: Path, older: Path) -> str:
    path = _some_file(random, directory)
    size = random.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"{path.name} is cut to {size} bytes"


def _zero(random: Random, directory: Path, older: Path) -> str:
    path = _some_file(random, directory)
    at = random.randrange(path.stat().st_size)
    length = min(random.randrange(1, PAGE_BYTES), path.stat().st_size - at)
    _changed(path, lambda data: data.__setitem__(slice(at, at + length), bytes(length)))
    return f"{length} bytes of {path.name} from {at} on are zeros"


def _swap(random: Random, directory: Path, older: Path) -> str:
    path = _some_file(random, directory)
    length = min(PAGE_BYTES, path.stat().st_size // 2)
    one, other = (random.randrange(path.stat().st_size - length + 1) // (length or 1) * length for _ in range(2))

    def swap(data: bytearray) -> None:
        data[one : one + length], data[other : other + length] = data[other : other + length], data[one : one + length]

    _changed(path, swap)
    return f"{path.name} has its {length} bytes at {one} and {other} swapped"


def _delete(random: Random, directory: Path, older: Path) -> str:
    path = _some_file(random, directory)
    path.unlink()
    return f"{path.name} is gone"


def _go_back(random: Random, directory: Path, older: Path) -> str:
    files = sorted(
        p.relative_to(older) for p in older.rglob("*") if p.is_file() and (directory / p.relative_to(older)).exists()
    )
    chosen = random.choice(files)
    shutil.copy(older / chosen, directory / chosen)
    return f"{chosen} is as it was once"


def _lose_directory(random: Random, directory: Path, older: Path) -> str:
    shutil.rmtree(directory / "db")
    if random.random() < 0.5:
        (directory / "db").mkdir()
        return "db is empty"
    return "db is gone"


def _replace_directory(random: Random, directory: Path, older: Path) -> str:
    shutil.rmtree(directory / "db")
    shutil.copytree(older / "db", directory / "db")
    return "db is as it was once"


def _lose_row(random: Random, directory: Path, older: Path) -> str:
    async def lose() -> str:
        async with open_journal(directory, durability=Durability.OS) as journal:
            async with journal.view() as view:
                rows = [key for key, _ in scan_all(view, b"", b"\xff") if not _is_spared(key, journal.partitions)]
            lost = random.choice(rows)
            async with journal.claim(0, "tests") as partition:
                await partition.commit([Append.of(stream=StreamId(0), expected=0, events=(), rows={lost: None})])
        return lost.hex()

    return f"the row {trio.run(lose)} is gone"


def _is_spared(key: bytes, partitions: int) -> bool:
    """The end of the audit may be cut off unseen, unless its head is kept elsewhere; and the claim that takes a row away writes the
    partition's own."""
    prefixes = (prefix(n) for n in range(partitions) for prefix in (keys.audit_prefix, keys.partition_state))
    return any(key.startswith(prefix) for prefix in prefixes)


KINDS: dict[str, tuple[Callable[[Random, Path, Path], str], float]] = {
    "flip": (_flip, 10),
    "cut": (_cut, 2),
    "zero": (_zero, 2),
    "swap": (_swap, 2),
    "delete": (_delete, 1),
    "go back": (_go_back, 1),
    "lose a row": (_lose_row, 1),
    "lose the directory": (_lose_directory, 0.1),
    "replace the directory": (_replace_directory, 0.2),
}
"""By name, with how often each is done."""


# What comes of it.


async def answers(client: Client, known: list[str]) -> dict[str, str]:
    """Everything that is answered about what happened, by the question. An error of ours begins with a '!'."""
    asked: dict[str, str] = {}

    async def ask(question: str, act: Callable[[], Any]) -> None:
        try:
            asked[question] = repr(await act())
        except _KNOWN as error:
            asked[question] = f"!{error!r}"

    for number in range(ACCOUNTS):
        await ask(f"account {number}", client.actor(Account, f"a{number}").read)
    for of in known:
        handle = client.invocation(of)

        async def happened(handle: Any = handle) -> object:
            info = await handle.info()
            history = [(entry.number, repr(entry)) async for entry in handle.events()]
            return info.status, info.outcome, info.created_at, info.completed_at, history

        await ask(of, happened)
    await ask("list", lambda: _listed(client))
    await ask("audit", lambda: _audited(client))
    return asked


async def _listed(client: Client) -> list[str]:
    # A question to an account is an invocation, too.
    return sorted(str(info.id) for info in await client.invocations(limit=1000) if info.target.handler != "read")


async def _audited(client: Client) -> list[str]:
    page = await client.audit(limit=1000)
    check = await client.verify_audit()
    if check.broken:
        raise actors.UnavailableError(f"the audit is broken: {check.broken}")
    return [repr(entry) for entry in page.entries]


async def _asked(directory: Path, known: list[str]) -> dict[str, str]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with open_runtime(Account, Bank, path=directory, durability="os") as runtime:
            return await answers(runtime.client, known or await _listed(runtime.client))


def _verdict(what: str, directory: Path, expected: dict[str, str]) -> Verdict:
    said: list[str] = []
    try:
        found_by_doctor = () if os.environ.get("CRASH_BLIND") else look(directory).findings
        said += [f"doctor: {finding.where}: {finding.what}" for finding in found_by_doctor]
    except JournalError as error:
        said.append(f"doctor: {error!r}")
    found: dict[str, str] = {}
    try:
        found = trio.run(_asked, directory, [question for question in expected if question.startswith("inv_")])
    except* _KNOWN as group:
        said.append(f"opening: {group.exceptions!r}")
    said += [f"{question}: {answer}" for question, answer in found.items() if answer.startswith("!")]
    differs = [
        question for question, answer in found.items() if not answer.startswith("!") and answer != expected[question]
    ]
    return Verdict(what, said, differs)


def main(store: str, older: str, kind: str = "") -> None:
    """Answer for each seed."""
    os.environ["CRASH_LEDGER"] = os.devnull
    for cls in (Account, Bank):
        definition_of(cls)  # so that the children need not look at it
    gc.collect()
    gc.freeze()
    _, expected = _in_a_child(lambda: trio.run(_asked, _copy_of(Path(store)), []))
    for line in sys.stdin:
        seed = int(line)
        code, verdict = _in_a_child(lambda seed=seed: _judged(Random(seed), Path(store), Path(older), kind, expected))
        if code:
            verdict = Verdict(f"seed {seed}", broken=f"it ended with {code}")
        os.write(1, msgspec.json.encode(verdict) + b"\n")


def _in_a_child(act: Callable[[], Any]) -> tuple[int, Any]:
    """Do it in a process of its own, from a parent that has no threads; its exit code and what came of it."""
    readable, writable = os.pipe()
    child = os.fork()
    if not child:
        try:
            data = msgspec.json.encode(act())
            with open(writable, "wb") as answer:
                answer.write(data)
        finally:
            os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, msgspec.json.decode(data) if code == 0 else None


def _judged(random: Random, store: Path, older: Path, kind: str, expected: dict[str, str]) -> Verdict:
    directory = _copy_of(store)
    what = damage(random, directory, older, kind)
    try:
        return _verdict(what, directory, expected)
    except BaseException as error:
        return Verdict(what, broken=repr(error))
    finally:
        shutil.rmtree(directory.parent)


def _copy_of(store: Path) -> Path:
    return copied(store, Path(tempfile.mkdtemp(dir=store.parent)) / "data")


if __name__ == "__main__":
    main(*sys.argv[1:])
