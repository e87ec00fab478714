"""What people do with the remote control at night, told from the page alone; what has run is counted outside of it."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from cli.apps import load_app
from examples.remote_control import claim, deploy_the_fix
from journal.events import Target
from tests.console.stage import Stage, axe_findings, staged
from tests.console.test_invocations import come_to
from tests.stories.faces import STORIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

    Open = Callable[..., Page]

AGENTS = 60


@attrs.frozen
class Story:
    """An app that runs, its code on disk, and what its steps have printed."""

    stage: Stage
    app: Path
    ledger: Path

    def counts(self) -> dict[str, int]:
        return Counter(line.partition(":")[0] for line in self.ledger.read_text().splitlines())

    def mend(self, fix: tuple[str, str]) -> None:
        """Change the code on disk, and deploy it: that comes from a shell, not from the page."""
        self.app.write_text(self.app.read_text().replace(*fix, 1))
        self.stage.do(self.stage.client.register_deployment, self.app)

    def send(self, service: str, key: str | None, handler: str, argument: bytes) -> str:
        sent = self.stage.do(self.stage.client.send_by_name, Target(service, key, handler), argument)
        return str(sent.invocation_id)

    def info(self, of: str) -> Any:
        return self.stage.do(self.stage.client.invocation(of).info)


@contextmanager
def told(folder: Path, story: str) -> Iterator[Story]:
    app, ledger = folder / f"{story}.py", folder / "ledger"
    app.write_text((STORIES / f"{story}.py").read_text())
    with ledger.open("a", buffering=1) as written, redirect_stdout(written):
        classes = load_app(str(app))
        with staged(folder, *classes, path=folder / "data", code=app, durability="os") as stage:
            yield Story(stage, app, ledger)


def ask_all(page: Page, verb: str, count: int, reason: str) -> Locator:
    """From what is filtered to what came of each."""
    page.get_by_text(f"{count} invocations", exact=False).or_(page.get_by_text(str(count), exact=True)).first.wait_for()
    page.get_by_role("heading", name="Invocations").click()
    page.keyboard.press("a")
    page.get_by_role("button", name=verb, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill(reason)
    return dialog


def test_those_that_are_stuck_are_found_by_their_last_error_and_cancelled_and_each_compensates(
    tmp_path: Path, open_page: Open
) -> None:
    with told(tmp_path, "dead_endpoint") as story:
        for number in range(AGENTS):
            story.send("Agent", None, "plan", b'"guest %d"' % number)
        story.stage.do(come_to, story.stage, "last_error_type like '%EndpointGone'", AGENTS)
        page = open_page(story.stage.address("/invocations"))
        page.get_by_label("Last error", exact=True).select_option(label="EndpointGone")
        dialog = ask_all(page, "Cancel", AGENTS, "the endpoint is gone")
        dialog.get_by_text(f"the first 10 of {AGENTS}").wait_for()
        assert axe_findings(page) == []
        assert story.counts() == {"room taken": AGENTS}, "to look is to change nothing"
        dialog.get_by_role("button", name=f"Cancel {AGENTS} invocations").click()
        dialog.get_by_text(f"{AGENTS} changed").wait_for()
        dialog.get_by_text("done", exact=True).wait_for()
        assert axe_findings(page) == []
        story.stage.do(come_to, story.stage, "outcome = 'cancelled'", AGENTS)
        assert story.counts() == {"room taken": AGENTS, "room given back": AGENTS}
        dialog.get_by_role("link").nth(1).click()
        page.get_by_text("the endpoint is gone").first.wait_for()
        page.get_by_role("button", name="step give_room_back").wait_for()
        page.context.close()


def test_runs_are_paused_checked_on_mended_code_and_resumed_there(tmp_path: Path, open_page: Open) -> None:
    with told(tmp_path, "deploy_the_fix") as story:
        runs = [story.send("Import", None, "run", b'"%b"' % region.encode()) for region in deploy_the_fix.REGIONS]
        story.stage.do(come_to, story.stage, deploy_the_fix.STUCK, len(runs))
        page = open_page(story.stage.address("/invocations"))
        page.get_by_label("Last error", exact=True).select_option(label="ValueError")
        dialog = ask_all(page, "Pause", len(runs), "a parsing bug")
        dialog.get_by_role("button", name=f"Pause {len(runs)} invocations").click()
        dialog.get_by_text(f"{len(runs)} changed").wait_for()
        dialog.get_by_role("button", name="Close").last.click()
        assert {story.info(run).status.value for run in runs} == {"paused"}

        page.goto(story.stage.address(f"/invocations/{runs[0]}"))
        note = page.get_by_role("note", name="Why it does not continue")
        note.get_by_text("it is paused until it is resumed").wait_for()
        note.get_by_text("a parsing bug").wait_for()
        page.get_by_role("button", name="Resume", exact=True).click()
        page.get_by_role("dialog").get_by_text("raises", exact=True).wait_for()
        assert page.get_by_role("dialog").get_by_role("button", name="Resume").is_disabled()
        assert axe_findings(page) == []
        page.keyboard.press("Escape")
        story.mend(deploy_the_fix.FIX)

        page.goto(story.stage.address("/invocations?where=status%20%3D%20'paused'"))
        dialog = ask_all(page, "Resume", len(runs), "it is mended")
        dialog.get_by_label("Deployment").select_option("latest")
        check = dialog.get_by_role("region", name="Check on that code")
        check.get_by_text(f"{len(runs)} invocations", exact=True).wait_for()
        assert check.get_by_text("same").first.is_visible()
        assert story.counts() == {"downloaded": len(runs)}, "a check executes nothing"
        dialog.get_by_role("button", name=f"Resume {len(runs)} invocations").click()
        dialog.get_by_text(f"{len(runs)} changed").wait_for()
        story.stage.do(come_to, story.stage, "outcome = 'succeeded'", len(runs))
        assert story.counts() == {"downloaded": len(runs), "stored": len(runs)}
        assert story.info(runs[0]).outcome.value == 2000
        page.context.close()


def test_a_claim_is_restarted_from_its_reimbursement_and_the_approvals_are_kept(
    tmp_path: Path, open_page: Open
) -> None:
    with told(tmp_path, "claim") as story:
        first = story.send("Claim", "7", "run", b'{"amount": 40, "currency": "EUR"}')
        page = open_page(story.stage.address(f"/invocations/{first}"))
        for reviewer in claim.REVIEWERS:
            page.get_by_role("button", name=f"Send approval of {reviewer}…").click()
            dialog = page.get_by_role("dialog")
            chosen = dialog.get_by_role("group", name="It waits for").get_by_role("button", pressed=True)
            assert chosen.inner_text() == f"approval of {reviewer}"
            dialog.get_by_label("Value").select_option("true")
            dialog.get_by_role("button", name="Send", exact=True).click()
            dialog.wait_for(state="detached")
        page.get_by_role("region", name="How it ended").get_by_text("no rate for EUR").first.wait_for()
        assert axe_findings(page) == []
        story.mend(claim.FIX)

        page.get_by_role("button", name="step reimburse").click()
        page.get_by_role("button", name="Restart from here…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Deployment").select_option("latest")
        kept = dialog.get_by_role("list", name="kept, not run again").get_by_role("listitem")
        kept.nth(5).wait_for()
        assert sorted(text.split()[1] for text in kept.all_inner_texts()) == ["approval"] * 3 + ["ask"] * 3
        (again,) = dialog.get_by_role("list", name="begins again").get_by_role("listitem").all_inner_texts()
        assert "reimburse" in again
        dialog.get_by_text("on dep_", exact=False).or_(dialog.get_by_text("kept,", exact=False)).first.wait_for()
        assert axe_findings(page) == []
        dialog.get_by_label("Reason").fill("the rate is there")
        dialog.get_by_role("button", name="Restart as a new invocation").click()
        page.wait_for_url(lambda url: first not in url)
        page.get_by_role("region", name="How it ended").get_by_text("50").first.wait_for()
        second = page.url.rpartition("/")[2]
        assert second != first
        assert story.info(second).outcome.value == 50.0
        assert story.info(second).restarts.invocation_id == first
        assert story.counts() == {"asked": 3, "paid": 1}
        page.get_by_role("button", name="kept").nth(5).wait_for()
        assert page.get_by_role("button", name="kept").count() == 6

        page.get_by_role("tab", name="Lineage").click()
        page.get_by_text("the original").wait_for()
        page.get_by_role("region", name="Lineage").get_by_role("link", name="compare").click()
        page.get_by_role("heading", name="Compare two runs").wait_for()
        differing = page.get_by_role("region", name="Differences").get_by_role("row").filter(has_text="reimburse")
        differing.get_by_text("another outcome").wait_for()
        assert axe_findings(page) == []
        page.context.close()


def test_an_answer_is_regenerated_from_the_same_sources(tmp_path: Path, open_page: Open) -> None:
    with told(tmp_path, "regenerate") as story:
        first = story.send("Writer", None, "answer", b'"the sky"')
        page = open_page(story.stage.address(f"/invocations/{first}"))
        before = first
        for draft in (1, 2, 3):
            page.get_by_role("region", name="How it ended").get_by_text(f"draft {draft} on the sky").first.wait_for()
            assert story.info(before).outcome.value.startswith(f"draft {draft} ")
            if draft < 3:
                page.get_by_role("button", name="step write").click()
                page.get_by_role("button", name="Restart from here…").click()
                page.get_by_role("dialog").get_by_role("list", name="kept, not run again").get_by_text(
                    "find_sources"
                ).wait_for()
                page.get_by_role("dialog").get_by_role("button", name="Restart as a new invocation").click()
                page.wait_for_function(
                    f"() => location.hash.startsWith('#/invocations/inv_') && !location.hash.includes('{before}')"
                )
                before = page.url.rpartition("/")[2].partition("?")[0]
        assert story.counts() == {"looked for sources": 1, "wrote": 3}
        page.get_by_role("tab", name="Lineage").click()
        page.get_by_role("region", name="Lineage").get_by_role("listitem").nth(2).wait_for()
        assert axe_findings(page) == []
        page.context.close()
