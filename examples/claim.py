"""Three people approve a claim by links in their mail; a restart from the failed step keeps what they have answered.

``actors.ask`` makes a question with a signed link. A step sends the link; whoever has it may answer, once, without a token. The link
shows a page with two buttons in a browser, and takes JSON from a program. Here a mail is a file in the folder ``mail``.

    python examples/claim.py
    playhead serve examples/claim.py     # in another shell, in the same folder:
    playhead send Claims/submit '{"who": "dora", "amount": 40}'
    until test -s mail/ann -a -s mail/bob -a -s mail/cyd; do sleep 0.1; done
    curl -sS "$(cat mail/ann)"; echo
    curl -sS --json '{"answer": "approve"}' "$(cat mail/ann)"; echo
    curl -sS --json '{"answer": "approve"}' "$(cat mail/bob)"; echo
    curl -sS --json '{"answer": "reject"}' "$(cat mail/bob)"; echo
    curl -sS -d answer=approve "$(cat mail/cyd)"; echo
    playhead invocations result INVOCATION_ID || true     # the bank is closed
    touch bank-is-open
    playhead invocations restart INVOCATION_ID --from pay --reason 'the bank is open'
    until test -s paid; do sleep 0.1; done; cat paid
    playhead audit --verb signal
"""

import os
import tempfile
from pathlib import Path

import httpx2
import trio

import actors
from actors import Service, handler, step
from actors.types import SignedLink

PEOPLE = ("ann", "bob", "cyd")


@step
def send_mail(to: str, link: SignedLink) -> None:
    Path("mail").mkdir(exist_ok=True)
    Path("mail", to).write_text(link.url)  # the address is a credential: it exists in the mail, and is not recorded


@step
def pay(who: str, amount: int) -> str:
    if not Path("bank-is-open").exists():
        raise actors.TerminalError("the bank is closed")
    Path("paid").write_text(f"{amount} to {who}\n")
    return f"paid {amount} to {who}"


class Claims(Service):
    @handler
    async def submit(self, who: str, amount: int) -> str:
        approved: dict[str, bool] = {}

        async def approval_of(person: str) -> None:
            question = await actors.ask(
                f"approval of {person}", text=f"Pay {amount} to {who}?", valid_for=2 * 24 * 3600
            )
            await send_mail(person, question.link)
            approved[person] = await question.answer()

        async with actors.open_nursery() as nursery:
            for person in PEOPLE:
                nursery.start_soon(approval_of, person)
        if not all(approved.values()):
            return "declined by " + " and ".join(person for person in PEOPLE if not approved[person])
        return await pay(who, amount)


async def press(button: str, person: str) -> int:
    """Answer a mail as its page would."""
    async with httpx2.AsyncClient() as http:
        answer = await http.post(await trio.Path("mail", person).read_text(), data={"answer": button})
    return answer.status_code


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        async with actors.open_runtime(Claims, path="data", serve="127.0.0.1:0") as runtime:
            claim = await runtime.client.service(Claims).submit.send("dora", 40)
            waiting = (event async for event in claim.follow() if event.name == "SignalAwaited")
            for _ in PEOPLE:  # the mail has been sent
                await anext(waiting)
            for person in PEOPLE:
                print(f"{person} approves: {await press('approve', person)}")
            print(f"bob rejects: {await press('reject', 'bob')}")
            print(f"claim: {(await claim.outcome()).kind.value}")
            await trio.Path("bank-is-open").touch()
            again = (await claim.restart("pay", reason="the bank is open")).successor
            assert again is not None
            print(await runtime.client.invocation(again.invocation_id).result())
        os.chdir("/")


if __name__ == "__main__":
    trio.run(main)
