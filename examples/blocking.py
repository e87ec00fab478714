"""A blocking script: no event loop, no ``await``. Django, Flask and notebooks work the same way.

The event loop runs in a thread of its own; any thread may use the client. ``actors.sync.open_runtime`` runs the objects in this
process, ``actors.sync.connect`` talks to a server; ``tally`` works with the client of either.

    python examples/blocking.py              # run it twice: a voter who votes again is counted once
    playhead serve examples/blocking.py      # the same objects over HTTP; in another shell:
    playhead call Poll/lunch/vote '{"voter": "ada", "dish": "soup"}'
    playhead call Poll/lunch/result
"""

import actors.sync
from actors import Actor, handler, shared


class Poll(Actor):
    votes: dict[str, str] = actors.field(factory=dict)

    @handler
    async def vote(self, voter: str, dish: str) -> int:
        self.votes[voter] = dish
        return len(self.votes)

    @shared
    async def result(self) -> dict[str, int]:
        dishes = [*self.votes.values()]
        return {dish: dishes.count(dish) for dish in sorted({*dishes})}


def tally(client: actors.sync.Client) -> dict[str, int]:
    """Vote, and print the history of one vote."""
    lunch = client.actor(Poll, "lunch")
    lunch.vote("ada", "soup")
    lunch.vote("bob", "salad")
    task = lunch.vote.send("cid", "soup")
    print(*(entry.name for entry in task.follow()))
    return lunch.result()


if __name__ == "__main__":
    with actors.sync.open_runtime(Poll, path="playhead-data") as runtime:
        print(tally(runtime.client))
