"""A new message cancels the task of the previous message, wherever it is; its partial work is saved.

The chat knows the id of the task and cancels it, as any client could. The running step is stopped first; then the cancel is raised
in the task once, and later awaits work again: it saves its notes.

    python examples/remote_control/new_message.py
    playhead serve examples/remote_control/new_message.py       # in another shell:
    playhead call Chat/ada/message '"plan a trip to Rome"'
    playhead call Chat/ada/message '"no, to Oslo"'
    playhead invocations list Task
    playhead call Chat/ada/task_now
"""

import tempfile
from contextlib import suppress

import trio

import actors
from actors import Actor, Service, handler, shared, step


@step
async def look_up(wish: str) -> str:
    print(f"looked up: {wish}", flush=True)
    return f"notes on {wish!r}"


@step
async def think(notes: str) -> str:
    """A placeholder for a slow model. A step may contain any trio code; a cancel stops it at its next await."""
    print(f"thinking about {notes}", flush=True)
    await trio.sleep(60)
    return f"a plan from {notes}"


@step
async def save(notes: str) -> None:
    print(f"saved: {notes}", flush=True)


class Task(Service):
    @handler
    async def work(self, wish: str) -> str:
        notes = await look_up(wish)
        try:
            return await think(notes)
        except actors.CancelledError:
            await save(notes)
            raise


class Chat(Actor):
    task: actors.InvocationId | None = None

    @handler
    async def message(self, text: str) -> actors.InvocationId:
        if self.task is not None:
            with suppress(actors.ConflictError):
                await actors.invocation(self.task).cancel(reason=f"a newer message came: {text}")
        task = await actors.service(Task).work.send(text)
        self.task = task.id
        return task.id

    @shared
    async def task_now(self) -> actors.InvocationId | None:
        return self.task


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Chat, Task, path=data) as runtime:
            chat = runtime.client.actor(Chat, "ada")
            first = runtime.client.invocation(await chat.message("plan a trip to Rome"))
            async for event in first.follow():
                if event.details.get("name") == "think":
                    break
            second = runtime.client.invocation(await chat.message("no, to Oslo"))
            outcome = await first.outcome()
            print(f"the first task: {outcome.kind.value}, {outcome.reason}")
            print(f"the second task: {(await second.info()).status.value}")


if __name__ == "__main__":
    trio.run(main)
