"""People who answer questions by signed links, and the laws of these: one answer counts, and the handler gets it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import trio

from journal import events as e
from tests.simulation.cast import CHOICES
from tests.simulation.plan import Deed

if TYPE_CHECKING:
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

ADDRESS = "https://storms.example.com"


@attrs.frozen
class Answer:
    """A person was told that this is the answer."""

    question: str
    choice: str


class QuestionClients:
    """What people answered, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.answers: list[Answer] = []

    # Deeds.

    async def answer(self, at: int, choices: list[str]) -> None:
        """Several people open the same one of the last links, and press a button at the same moment."""
        links = self.storm.world.links[-4:]
        if links:
            question, url = links[at % len(links)]
            async with trio.open_nursery() as nursery:
                for choice in choices:
                    nursery.start_soon(self.storm.do, Deed(at=0.0, what="press", given=[question, url, choice]))

    async def press(self, question: str, url: str, choice: str) -> None:
        await self.storm.client.answer_by_link(url.rpartition("/")[2], choice)
        self.answers.append(Answer(question, choice))

    # Laws.

    def judge_questions(self, lives: dict[InvocationId, Life]) -> None:
        """Hold what people were told against what was recorded, and what handlers were given."""
        if self.storm.has_restarted:
            return  # a restart asks the question of its original again
        law, accepted = self.storm.law, Counter(answer.question for answer in self.answers)
        twice = [question for question, count in accepted.items() if count > 1]
        law("a question is answered once", not twice, f"{twice}")
        asked: dict[str, Life] = {}
        recorded: Counter[str] = Counter()
        for life in lives.values():
            asked |= {event.question: life for event in life.of(e.QuestionAsked)}
            recorded.update(event.question for event in life.of(e.SignalReceived) if event.question)
        twice = [question for question, count in recorded.items() if count > 1]
        law("a question is answered once", not twice, f"{twice}")
        given = {value[0]: value[1] for of in self.storm.world.got.values() for _, value in of if _is_answer(value)}
        for answer in self.answers:
            life = asked.get(answer.question)
            if life is not None:
                law("what was acknowledged is kept", recorded[answer.question] == 1, f"{answer} of {life.id}")
                got = given.get(answer.question, CHOICES[answer.choice])
                law("a handler gets the answer", got == CHOICES[answer.choice], f"{answer} of {life.id}: {got}")


def _is_answer(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and value[1] in CHOICES.values()
