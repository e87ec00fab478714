"""Each example as its docstring shows it: as a script, and served and spoken to from a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.examples.docstrings import commands_of
from tests.terminal import ROOT, Said, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py"))


@attrs.frozen(kw_only=True)
class Expected:
    """What an example prints as a script, and what its commands answer: each a pattern of the whole."""

    script: tuple[str, ...]
    answers: tuple[str, ...]
    refused: tuple[str, ...] = ()
    """Beginnings of the commands that end with exit code 1."""


REPORT = (
    "winds: 2 sources; tides, after winds: 2 sources; moons, after tides: 2 sources; storms, after moons: 2 sources"
)

EXPECTED = {
    "counter": Expected(script=("alice: 5", "alice: 7", "bob: 0"), answers=("12", "12")),
    "reminder": Expected(
        script=("stopped, with a timer that is still to fire", "started again", "  * tea *", "rang for tea"),
        answers=("inv_1.*", "(?s).*Reminder/remind.*(running|suspended).*"),
    ),
    "chat": Expected(
        script=(
            "  (agent: 'why is the sky blue?' was dropped: a newer message came)",
            "first: cancelled, a newer message came",
            "a careful answer to 'no: why is the sea green?' "
            "a careful answer to \"the same, but shorter: a careful answer to 'no: why is the sea green?'\" ",
            "second: a careful answer to \"the same, but shorter: a careful answer to 'no: why is the sea green?'\"",
        ),
        answers=('"inv_1.*"', '"inv_1.*"', "(?s).*cancelled.*a newer message came.*"),
    ),
    "transfer": Expected(
        script=(
            "30 to bob, alice has 70",
            "refused: alice has 70, asked for 1000; alice has 70",
            "refused: alice sends 50 to mallory; alice has 70",
            "20 on the way to carol, alice has 50",
            "cancelled: a slip of the finger; alice has 70",
        ),
        answers=("null", "null", "", "70"),
        refused=('playhead call Transfer/run \'{"source": "alice", "target": "bob", "amount": 1000}\'',),
    ),
    "swap": Expected(
        script=(
            "the second swap: it waits for the lock 'Shift/tuesday'",
            "bob and alice have swapped",
            "alice and carol have swapped",
            *("monday bob", "tuesday carol", "wednesday alice"),
        ),
        answers=("null", "null", '"alice and bob have swapped"', "(?s)[^\\n]*lock.*"),
    ),
    "openai_agents_handoff": Expected(
        script=(
            "refunds: Sorry about that. 40 for order 17 were refunded.",
            *("1.2.1 model request", "1.3.1 model request", "1.3.2 model request", "1.3.3 model request"),
            *("1.4.1 tool price", "1.5.1 tool refund"),
        ),
        answers=('"refunds: Sorry about that. 40 for order 17 were refunded."', "(?s).*Support/ask.*succeeded.*"),
    ),
    "langgraph_approval": Expected(
        script=(
            "A PENCIL: PAID",
            "{'node': 'approve', 'interrupt': 'May we pay A DESK FOR 900?'}",
            "A DESK: THE DESK IS FINE",
        ),
        answers=("inv_1.*", "(?s).*", "inv_1.* changed .*", "(?s).*A DESK: THE DESK IS FINE.*"),
    ),
    "approval": Expected(
        script=("a pencil: paid", "a chair: paid, says ada", "a yacht: no decision in time"),
        answers=("inv_1.*", "inv_1.* changed .*", "(?s).*SignalReceived.*"),
    ),
    "claim": Expected(
        script=(
            *(f"{who} approves: 200" for who in ("ann", "bob", "cyd")),
            "bob rejects: 410",
            "claim: failed",
            "paid 40 to dora",
        ),
        answers=(
            "inv_1.*",
            "",
            '{.*"choices":\\["approve","reject"\\].*"name":"approval of ann".*}',
            '{"answer":"approve",.*}',
            '{"answer":"approve",.*}',
            '{.*"code":"question_closed".*}',
            "(?s)<!doctype html>.*approve.*",
            "(?s).*",
            "",
            "inv_1.* changed .*",
            "40 to dora",
            "(?s)(.*link:.*signal){3}.*",
        ),
    ),
    "tools": Expected(
        script=(
            "the encyclopedia on the tides",
            "the almanac on the tides",
            "the atlas on the tides",
            "side by side",
        ),
        answers=('(?s).*"the encyclopedia on the tides".*', "(?s).*Research/ask.*succeeded.*"),
    ),
    "signup": Expected(
        script=(
            "  to ada@example.org: click here, please",
            "the same run: True",
            "waiting: click here, please",
            "confirmed: True",
        ),
        answers=("inv_1.*", '".*"', "null", "true"),
    ),
    "order": Expected(
        script=(
            "postage: 3",
            "refused: Order/7/change_address: the address is empty",
            "40 paid, thank you",
            "  shipped to 2 New Street",
            "sent to 2 New Street",
        ),
        answers=("inv_1.*", "3", '"40 paid, thank you"', '"sent to 2 New Street"', "(?s).*Order/7/change_address.*"),
    ),
    "cart": Expected(
        script=(
            "{'tea': Line(count=3, price_cents=350)}",
            "refused: no article 'coffee'; there are tea, cups, biscuits",
            "to pay, in cents: 1050",
            "{}",
        ),
        answers=('(?s).*"count":\\s*2.*', '(?s).*"tea".*', "700"),
    ),
    "agent": Expected(
        script=(
            "It is 17 degrees warmer in Rome.",
            "1.3.1 model request",
            "1.4.1 tool temperature",
            "1.5.1 tool temperature",
            "1.6.1 model request",
            "1.7.1 tool difference",
            "1.8.1 model request",
        ),
        answers=('"It is 17 degrees warmer in Rome."', "(?s).*Forecast/ask.*succeeded.*"),
    ),
    "agent_chat": Expected(
        script=(
            "  (looked up: what is new at sea?)",
            "shown: take ",
            "  (looked up: no: what is new in the hills?)",
            "first: cancelled, a newer message",
            "second: take 2: nothing new, and so on and so forth ",
            "again: take 3: nothing new, and so on and so forth ",
        ),
        answers=('"inv_1.*"', '"inv_1.*"', '"inv_1.*"', "(?s).*Answer/write.*cancelled.*"),
    ),
    "chat_clients": Expected(
        script=("A coat: it is -3 degrees.", "chat 5.8e-05", "execute_tool ", "chat 5.8e-05"),
        answers=('"A coat: it is -3 degrees."', "(?s).*Packing/ask.*succeeded.*"),
    ),
    "research": Expected(
        script=(
            "plan: the sea",
            *(f"look up: {section}" for section in ("winds", "tides", "moons", "storms") for _ in range(2)),
            *("draft: winds", "draft: tides", "draft: moons", "paused: 0.6 usd are spent"),
            *("draft: storms", "edit", REPORT),
            *("kept: 11, again: draft moons", "draft: moons", "draft: storms", "edit", REPORT),
        ),
        answers=(
            *("inv_1.*", "(?s).*", "inv_1.* changed .*", f'"{REPORT}"'),
            *("(?s).*kept.*draft tides.*again.*draft moons.*", "inv_1.* changed .*"),
        ),
    ),
    "sub_agents": Expected(
        script=(
            "5 pages on tides; 1 pages on moons",
            "Critic/review, Editor/write, Researcher/look_into, Researcher/look_into, Researcher/look_into",
            "  (the researcher of slow moons puts the books back: its caller inv_ID no longer waits)",
            "['cancelled', 'cancelled', 'succeeded']",
        ),
        answers=(
            *(
                "inv_1.*",
                '"5 pages on tides; 1 pages on moons"',
                "(?s)(?=.*Critic/review)(?=.*Editor/write).*Researcher.*",
            ),
            *("inv_1.*", "inv_1.* changed .*", "(?s)(?=.*Editor/write).*Researcher/look_into.*"),
        ),
    ),
    "budget": Expected(
        script=("paused", "an answer to 'a summary of 3 topics'", "{'tokens': '2800'}") * 2,
        answers=(
            "inv_1.*",
            "inv_1.* changed .*",
            "\"an answer to 'a summary of 3 topics'\"",
            "tag:team  changed  none -> 1,000 tokens",
            "inv_1.*",
            "tag:team  changed  1,000 tokens -> 5,000 tokens",
            "\"an answer to 'a summary of 3 topics'\"",
            "(?s).*2800.*",
        ),
    ),
    "transaction": Expected(
        script=("ada has ordered for 30", "ada has ordered for 42"),
        answers=('"ada has ordered for .*"', "(?s).*Orders/book.*succeeded.*"),
    ),
    "blocking": Expected(
        script=(
            "InvocationAccepted InvocationStarted FieldsChanged InvocationCompleted",
            "{'salad': 1, 'soup': 2}",
        ),
        answers=("1", '(?s).*"soup":\\s*1.*'),
    ),
    "long_chat": Expected(
        script=("lines: 1001", "the last one: that was a lot", "in the middle: 10"),
        answers=("1", '(?s).*"hello".*', '(?s).*"hello".*'),
    ),
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path) as opened:
        (opened.folder / "examples").symlink_to(ROOT / "examples")
        yield opened


def test_every_example_is_listed_and_expected() -> None:
    names = {path.stem for path in EXAMPLES}
    listed = re.findall(r"\((\w+)\.py\)", (ROOT / "examples" / "README.md").read_text())
    assert names == set(EXPECTED) == set(listed)
    assert len(listed) == len(names)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_prints_what_it_says(example: Path, shell: Terminal) -> None:
    script = commands_of(example)[0]
    assert script == f"python examples/{example.name}"
    # Two parts of a program may print in either order; each prints its own lines in its own order.
    printed = re.sub(r"inv_1[0-9A-Za-z]{33}", "inv_ID", shell.done(script))
    assert sorted(printed.split("\n")) == sorted(EXPECTED[example.stem].script)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_answers_the_commands_in_its_docstring(example: Path, shell: Terminal) -> None:
    script, serve, *rest = commands_of(example)
    if example.stem == "counter":
        shell.done(script)
    assert serve == f"playhead serve examples/{example.name}"
    shell.done(f"{serve} > said-by-the-server &")
    expected = EXPECTED[example.stem]
    said = list(_typed(shell, rest))
    for one in said:
        assert one.code == (1 if one.line.startswith(expected.refused or ("nothing",)) else 0), one
    answers = [one.out.strip() for one in said]
    assert len(answers) == len(expected.answers)
    for answer, pattern in zip(answers, expected.answers, strict=True):
        assert re.fullmatch(pattern, answer), (pattern, said)


def _typed(shell: Terminal, lines: list[str]) -> Iterator[Said]:
    """Type them; INVOCATION_ID is what the command before has printed."""
    invocation_id = ""
    for line in lines:
        said = shell.run(line.replace("INVOCATION_ID", invocation_id))
        if line.startswith("playhead send"):
            invocation_id = said.out.strip()
        yield said


def test_a_reminder_survives_the_death_of_its_server(shell: Terminal) -> None:
    shell.done("playhead serve examples/reminder.py &")
    sent = shell.done("""playhead send Reminder/remind '{"text": "tea", "seconds": 1}'""")
    shell.run("kill -9 $!; wait $!")
    shell.done("playhead serve examples/reminder.py &")
    shell.done(f"until playhead invocations events {sent} | grep -q 'rang for tea'; do sleep 0.1; done")
