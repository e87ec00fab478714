"""A program that is run, changed, and run again: what began in the first process ends on its code in the second."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from tests.children import python_path

HERE = Path(__file__).resolve().parents[2]
PROGRAM = """
    import sys
    import trio
    import actors

    class Refused(actors.TerminalError): ...

    @actors.step
    def note(text: str) -> None:
        with open("notes", "a") as notes:
            notes.write(text + "\\n")

    class Till(actors.Actor):
        sold: int = 0

        @actors.handler
        async def refuse(self) -> None:
            raise Refused("closed")

        @actors.handler
        async def sell(self) -> str:
            await note("begun on VERSION")
            await actors.signal("go", str)
            try:
                await actors.actor(Till, "other").refuse()
            except Refused:
                self.sold += 1
            return f"sold {self.sold} on VERSION"

    async def main() -> None:
        async with actors.open_runtime(Till, path="data", durability="os") as runtime:
            if len(sys.argv) == 1:
                handle = await runtime.client.actor(Till, "a").sell.send()
                while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
                    await trio.sleep(0.01)
                print(handle.id)
            else:
                handle = runtime.client.invocation(sys.argv[1])
                await handle.signal("go", "on")
                print(await handle.result())

    if __name__ == "__main__":
        trio.run(main)
"""


def run(folder: Path, version: str, *arguments: str) -> str:
    (folder / "till.py").write_text(textwrap.dedent(PROGRAM).replace("VERSION", version))
    command = [sys.executable, "till.py", *arguments]
    environment = {"PYTHONPATH": python_path(HERE), "PATH": ""}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_what_a_program_began_goes_on_on_its_code_after_the_file_has_changed(tmp_path: Path) -> None:
    of = run(tmp_path, "one")
    assert run(tmp_path, "two", of) == "sold 1 on one", "and it knew the error of the new code as its own"
    assert (tmp_path / "notes").read_text() == "begun on one\n"
