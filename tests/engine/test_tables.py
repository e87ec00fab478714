"""What is looked up by class is there for every class."""

from __future__ import annotations

from typing import get_args

from actors.core import commands as c
from actors.core.effects import Effect
from actors.engine import ledger, reception
from actors.engine.arrivals import Look, Note, Watch


def test_every_effect_has_its_deed() -> None:
    assert set(ledger._DEEDS) == set(get_args(Effect))


def test_what_the_reception_takes_in_is_a_command_or_a_question() -> None:
    questions: set[type] = {Watch, Look, Note}
    assert set(reception._TAKEN) <= {*get_args(c.Command), *questions}
    assert questions <= set(reception._TAKEN)
