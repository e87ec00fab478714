"""Three people approved a claim, then its reimbursement failed on a bug: restart from that step, on the fixed code.

The approvals are not asked for again. A restart from a step goes back to the moment before the outcome of that step was known:
everything recorded before it is kept. A dry run lists what is kept and what runs again.

    python examples/remote_control/claim.py
    playhead serve examples/remote_control/claim.py             # in another shell:
    playhead send Claim/7/run '{"amount": 40, "currency": "EUR"}'
    playhead invocations signal INVOCATION_ID "approval of ann" true
    playhead invocations signal INVOCATION_ID "approval of bob" true
    playhead invocations signal INVOCATION_ID "approval of cyd" true
    playhead invocations describe INVOCATION_ID

Now fix the line with the bug, restart the server, and:

    playhead invocations restart INVOCATION_ID --from reimburse --deployment latest --dry-run
    playhead invocations restart INVOCATION_ID --from reimburse --deployment latest --reason 'added the rate'
"""

import tempfile
from pathlib import Path

import trio

import actors
from actors import Workflow, handler, step

REVIEWERS = ("ann", "bob", "cyd")


class NoRate(actors.TerminalError):
    http_status = 422


RATES = {"USD": 1.0}  # the bug: no EUR

FIX = ('{"USD": 1.0}', '{"USD": 1.0, "EUR": 1.25}')


@step
async def ask(reviewer: str) -> None:
    print(f"asked: {reviewer}", flush=True)


@step
async def reimburse(claim: str, amount: float, currency: str) -> float:
    if currency not in RATES:
        raise NoRate(f"no rate for {currency}")
    dollars = amount * RATES[currency]
    print(f"paid: {dollars} dollars for claim {claim}", flush=True)
    return dollars


class Claim(Workflow):
    @handler
    async def run(self, amount: float, currency: str) -> float:
        for reviewer in REVIEWERS:
            await ask(reviewer)
            if not await actors.signal(f"approval of {reviewer}", bool):
                return 0.0
        return await reimburse(self.key, amount, currency)


def fixed(folder: str) -> Path:
    """A copy of this file with the bug fixed."""
    app = Path(folder, Path(__file__).name)
    app.write_text(Path(__file__).read_text().replace(*FIX, 1))
    return app


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with actors.open_runtime(Claim, path=Path(folder, "data")) as runtime:
            client = runtime.client
            claim = await client.workflow(Claim, "7").run.send(40.0, "EUR")
            for reviewer in REVIEWERS:
                await claim.signal(f"approval of {reviewer}", True)
            outcome = await claim.outcome()
            print(f"claim 7: {outcome.kind.value}")

            await client.register_deployment(fixed(folder))
            answer = await claim.restart("reimburse", deployment="latest", reason="added the rate")
            again = answer.successor
            assert again is not None
            print("kept:", ", ".join(one.name for one in again.kept), "- again:", *(one.name for one in again.again))
            print("reimbursed:", await client.invocation(again.invocation_id).result())


if __name__ == "__main__":
    trio.run(main)
