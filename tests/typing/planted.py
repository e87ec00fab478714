"""Mistakes that users make in calls, each marked with what mypy and basedpyright say of its line: read by them, never run."""

from __future__ import annotations

import actors
from actors import Client, InvocationHandle, Service, Webhook, WebhookRequest, handler
from tests.typing.users import Agent, Counter, Signup, count_words, fetch


class Careless(Service):
    @handler
    async def run(self) -> None:
        counter = actors.actor(Counter, "bob")
        await counter.add("x")  # error: arg-type, reportArgumentType
        await counter.add()  # error: call-arg, reportCallIssue
        await counter.add(1, "why", 2)  # error: call-arg, reportCallIssue
        await counter.add(1, why="because")  # error: call-arg, reportCallIssue
        await counter.ad(1)  # error: attr-defined, reportAttributeAccessIssue
        text: str = await counter.add(1)  # error: assignment, reportAssignmentType
        await counter.add.send("x")  # error: arg-type, reportArgumentType
        await counter.add.send()  # error: call-arg, reportCallIssue
        sent: InvocationHandle[str] = await counter.add.send(1)  # error: assignment, reportAssignmentType
        await counter.add.options(delay=5).send("x")  # error: arg-type, reportArgumentType
        await counter.add.options(dely=5).send(1)  # error: call-arg, reportCallIssue
        delayed = counter.add.options(delay=5)
        later: InvocationHandle[str] = await delayed.send(1)  # error: assignment, reportAssignmentType
        await fetch(1)  # error: arg-type, reportArgumentType
        await count_words("a", separator=1)  # error: arg-type, reportArgumentType
        body: str = await fetch("url")  # error: assignment, reportAssignmentType
        approved: str = await actors.signal("approved", bool)  # error: arg-type, reportAssignmentType
        chosen: str = await actors.signal("chosen", int | None)  # error: arg-type, reportAssignmentType
        actors.actor(Agent, "bob")  # error: type-var, reportArgumentType
        actors.service(Counter)  # error: type-var, reportArgumentType
        actors.workflow(Counter, "bob")  # error: type-var, reportArgumentType
        actors.workflow_id(Counter, "bob")  # error: arg-type, reportArgumentType
        with actors.move_on_at("tomorrow") as scope:  # error: arg-type, reportArgumentType
            scope.deadline = "tomorrow"  # error: assignment, reportAttributeAccessIssue
            scope.expire()  # error: attr-defined, reportAttributeAccessIssue
        print(text, sent, later, body, approved, chosen)


class Hooks(Service):
    @handler(webhook=Webhook("github", secret="SECRET"))  # error: arg-type, reportArgumentType
    async def of_text(self, request: str) -> None: ...

    @handler(webhook=Webhook("gitlab", secret="SECRET"))  # error: arg-type, reportArgumentType
    async def of_another(self, request: WebhookRequest) -> None: ...

    @handler
    async def asks(self) -> str:
        question = await actors.ask("size", {"small": 1}, text="Which?")
        yes: str = await actors.ask("go", text="Go?")  # error: assignment, reportAssignmentType
        answer: str = await question.answer()  # error: assignment, reportAssignmentType
        return yes + answer


async def outside(client: Client) -> None:
    counter = client.actor(Counter, "bob")
    await counter.add("x")  # error: arg-type, reportArgumentType
    text: str = await counter.current()  # error: assignment, reportAssignmentType
    handle: InvocationHandle[int] = await counter.reset.send()  # error: assignment, reportAssignmentType
    await client.service(Agent).answer(b"why")  # error: arg-type, reportArgumentType
    await client.workflow(Signup, "ada").run()  # error: call-arg, reportCallIssue
    signup = client.workflow(Signup, "ada")
    await signup.change_email(5)  # error: arg-type, reportArgumentType
    await signup.change_email()  # error: call-arg, reportCallIssue
    await signup.give_up("now")  # error: call-arg, reportCallIssue
    email: str = await signup.change_email("x")  # error: assignment, reportAssignmentType
    changed: InvocationHandle[str] = await signup.change_email.send("x")  # error: assignment, reportAssignmentType
    await client.actor(Counter).add(1)  # error: call-arg, reportCallIssue
    client.actor(Agent, "bob")  # error: type-var, reportArgumentType
    client.actor(Signup, "bob")  # error: type-var, reportArgumentType
    client.service(Counter)  # error: type-var, reportArgumentType
    client.workflow(Counter, "bob")  # error: type-var, reportArgumentType
    client.object(Agent, "bob")  # error: arg-type, reportArgumentType
    print(text, handle, email, changed)


def blocking(client: actors.sync.Client) -> None:
    counter = client.actor(Counter, "bob")
    counter.add("x")  # error: arg-type, reportArgumentType
    text: str = counter.add(1)  # error: assignment, reportAssignmentType
    counter.ad(1)  # error: attr-defined, reportAttributeAccessIssue
    counter.add.send()  # error: call-arg, reportCallIssue
    client.actor(Agent, "bob")  # error: type-var, reportArgumentType
    client.query(5)  # error: arg-type, reportArgumentType
    for value in client.invocation("inv_1").info():  # error: attr-defined, reportGeneralTypeIssues
        print(value, text)
