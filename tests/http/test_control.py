"""Gates, objects, jobs and deployments over HTTP, errors included: what each verb does is tested in ``core`` and ``engine``."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Actor, Log, Map, handler, shared
from actors.core.jobs import Choice
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path

    from actors.control.client import Client

Opened = Callable[[], AbstractAsyncContextManager["Client"]]


class Shop(Actor):
    owner: str = "nobody"
    tags: list[str] = actors.field(factory=list)
    sales: Log[str]
    stock: Map[str, int]

    @handler
    async def sell(self, what: str, amount: int) -> None:
        self.tags.append(what)
        self.sales.append(what)
        self.stock[what] = self.stock.get(what, 10) - amount

    @handler
    async def close(self) -> str:
        self.owner = await actors.signal("owner", str)
        return self.owner

    @shared
    async def who(self) -> str:
        return self.owner


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    @asynccontextmanager
    async def client() -> AsyncIterator[Client]:
        async with serving(tmp_path, Shop, code=__file__) as served, served.client() as remote:
            yield remote

    return client


async def test_a_gate_is_closed_listed_and_opened(opened: Opened) -> None:
    async with opened() as client:
        closed = await client.gates.close("key:Shop/a/b", mode="now", reason="stocktaking")
        assert (closed.changed, closed.before.value, closed.after.value) == (True, "open", "closed")
        assert not (await client.gates.close("key:Shop/a/b", mode="now", reason="stocktaking")).changed
        (gate,) = await client.gates.list()
        assert (gate.scope, gate.mode.value, gate.reason) == ("key:Shop/a/b", "now", "stocktaking")
        assert closed.gate == gate
        sold = await client.actor(Shop, "a/b").sell.send("tea", 1)
        assert (await sold.info()).gate == gate
        assert (await client.gates.open("key:Shop/a/b", reason="done")).after.value == "open"
        await sold.result()
        assert await client.gates.list() == ()
        audited = (await client.audit(target="key:Shop/a/b")).entries
        assert [(entry.verb, entry.reason) for entry in audited] == [
            ("open-gate", "done"),
            ("close-gate", "stocktaking"),
            ("close-gate", "stocktaking"),
        ]


@pytest.mark.parametrize(
    ("scope", "error", "attributes"),
    [
        ("service:Nothing", actors.NotFoundError, {"kind": "service"}),
        ("handler:Shop/nothing", actors.NotFoundError, {"kind": "handler"}),
        ("deployment:dep_1nothing", actors.NotFoundError, {"kind": "deployment"}),
        ("half", actors.InvalidArgumentError, {"path": "scope"}),
        ("key:Shop/" + "x" * 2_000, actors.LimitExceededError, {"limit": "key_bytes", "found": 2_000}),
    ],
)
async def test_a_gate_that_cannot_be_is_refused(
    scope: str, error: type[Exception], attributes: dict[str, object], opened: Opened
) -> None:
    async with opened() as client:
        with raises(error, **attributes):
            await client.gates.close(scope)
        assert await client.gates.list() == ()


async def test_objects_are_listed_and_shown_now_and_then(opened: Opened) -> None:
    async with opened() as client:
        for key in ("b", "a/c"):
            await client.actor(Shop, key).sell("tea", 3)
        assert [name.key for name in await client.objects("Shop")] == ["a/c", "b"]
        page = await client.objects("Shop", limit=1)
        assert [name.key for name in await client.objects("Shop", after=page.next)] == ["b"]
        assert [name.key for name in await client.objects("Shop", begin="a")] == ["a/c"]
        assert [name.key for name in await client.objects("Shop", begin="a", after=page.next)] == []
        assert [name.key for name in await client.objects("Shop", begin="b", after=page.next)] == ["b"]
        assert [(name.service, name.key) for name in await client.objects(begin="a")] == [("Shop", "a/c")]
        assert [(name.service, name.key) for name in await client.objects()] == [("Shop", "a/c"), ("Shop", "b")]
        kept = client.object(Shop, "a/c")
        then = await kept.info()
        assert (then.fields, then.logs, then.maps) == (
            {"owner": "nobody", "tags": ["tea"]},
            {"sales": 1},
            ("stock",),
        )
        await client.actor(Shop, "a/c").sell("milk", 1)
        assert (await kept.info()).fields["tags"] == ["tea", "milk"]
        assert (await kept.info(at=then.version)).fields == then.fields
        assert [item.value for item in await kept.items("sales", start="1")] == ["milk"]
        assert [(item.item, item.value) for item in await kept.items("stock", at=then.version)] == [('"tea"', 7)]
        oldest, newest = await kept.history("tags")
        assert (oldest.value, newest.value) == (["tea"], ["tea", "milk"])
        assert await kept.history("tags", newest_first=True) == [newest, oldest]
        assert await kept.history("tags", newest_first=True, before=newest.number) == [oldest]
        assert await kept.history("tags", newest_first=True, limit=1) == [newest]


async def test_the_fields_of_a_class_are_told_with_what_they_hold(opened: Opened) -> None:
    async with opened() as client:
        (shop,) = await client.services()
        text = {"type": "string"}
        assert [(field.name, field.kind.value, field.value, field.key, field.default) for field in shop.fields] == [
            ("owner", "plain", text, None, "nobody"),
            ("tags", "plain", {"type": "array", "items": text}, None, []),
            ("sales", "log", text, None, None),
            ("stock", "map", {"type": "integer"}, text, None),
        ]


async def test_the_code_of_a_deployment_can_be_read(opened: Opened) -> None:
    async with opened() as client:
        (deployment,) = await client.deployments.list()
        files = await client.deployments.files(deployment.id)
        assert (len(files), sum(file.size for file in files)) == (deployment.files, deployment.size)
        assert [file.path for file in files] == sorted(file.path for file in files)
        own = next(file for file in files if file.path.endswith("test_control.py"))
        content = await trio.Path(__file__).read_bytes()
        assert (own.size, own.digest, own.text) == (len(content), hashlib.sha256(content).hexdigest(), None)
        assert (await client.deployments.read(deployment.id, own.path)).text == content.decode()
        with raises(actors.NotFoundError, kind="file"):
            await client.deployments.read(deployment.id, "nothing.py")
        with raises(actors.NotFoundError, kind="deployment"):
            await client.deployments.files("dep_0000000000000000")


async def test_an_edit_says_what_it_did(opened: Opened) -> None:
    async with opened() as client:
        await client.actor(Shop, "a").sell("tea", 3)
        kept = client.object("Shop", "a")
        edited = await kept.edit(
            set={"owner": "ada"},
            clear=["tags"],
            items={"stock": {'"milk"': 4}},
            remove={"stock": ['"tea"']},
            reason="counted",
        )
        assert edited.changed
        assert edited.before == {"owner": "nobody", "tags": ["tea"], 'stock["milk"]': None, 'stock["tea"]': 7}
        assert edited.after == {"owner": "ada", "tags": [], 'stock["milk"]': 4, 'stock["tea"]': None}
        assert (await kept.info()).fields == {"owner": "ada", "tags": []}


async def test_an_object_is_deleted_unless_it_is_in_use(opened: Opened) -> None:
    async with opened() as client:
        first = await client.actor(Shop, "a").sell.send("tea", 3)
        await first.result()
        kept = client.object("Shop", "a")
        assert await kept.delete(reason="asked for") == actors.types.ObjectDeletion(changed=True, invocations=1)
        assert await kept.delete() == actors.types.ObjectDeletion(changed=False)
        assert await client.objects("Shop") == []
        later = await client.actor(Shop, "a").sell.options(delay=1000).send("tea", 3)
        with raises(actors.ConflictError, code="not_completed") as refused:
            await kept.delete()
        assert refused.value.details == {"invocation_id": later.id, "invocations": 1}


async def test_the_same_edit_under_one_key_is_done_once(opened: Opened) -> None:
    async with opened() as client:
        kept = client.object(Shop, "a")
        first = await kept.edit(set={"owner": "ada"}, idempotency_key="k")
        await kept.edit(set={"owner": "bob"})
        assert await kept.edit(set={"owner": "ada"}, idempotency_key="k") == first
        assert (await kept.info()).fields["owner"] == "bob"


async def test_an_edit_that_cannot_be_done_says_why_and_a_conflict_says_where(opened: Opened) -> None:
    async with opened() as client:
        kept = client.object(Shop, "a")
        await kept.edit(set={"owner": "ada"})
        version = (await kept.info()).fields_version
        with raises(actors.ConflictError, code="version_conflict") as conflict:
            await kept.edit(set={"owner": "bob"}, if_version=version - 1)
        assert conflict.value.version == version
        refusals: list[tuple[dict[str, Any], type[Exception], dict[str, str]]] = [
            ({"set": {"owner": 5}}, actors.InvalidArgumentError, {"path": "owner"}),
            ({"set": {"colour": "red"}}, actors.NotFoundError, {"kind": "field"}),
            ({"clear": ["sales"]}, actors.ConflictError, {"code": "not_possible"}),
        ]
        for edit, error, attributes in refusals:
            with raises(error, **attributes):
                await kept.edit(**edit)
        with raises(actors.NotFoundError, kind="service"):
            await client.object("Nothing", "a").edit(set={"owner": "bob"})
        assert (await kept.info()).fields["owner"] == "ada"


async def test_an_edit_waits_for_a_key_that_is_held_only_if_it_may(opened: Opened) -> None:
    async with opened() as client:
        closing = await client.actor(Shop, "a").close.send()
        kept = client.object(Shop, "a")
        while not (await closing.info()).waits:
            await trio.sleep(0.01)
        with raises(actors.ConflictError, code="key_held", match=closing.id):
            await kept.edit(set={"owner": "ada"})
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def edit() -> None:
                edited = await kept.edit(set={"owner": "ada"}, queue=True)
                assert edited.before == {"owner": "the cleaner"}

            while not (await kept.info()).waiting:
                await trio.sleep(0.01)
            await closing.signal("owner", "the cleaner")
        assert (await kept.info()).fields["owner"] == "ada"


async def test_why_one_does_not_go_on_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path, Shop) as served, served.client() as remote:
        await remote.gates.close("service:Shop", reason="stocktaking")
        sold = await remote.actor(Shop, "a").sell.send("tea", 1)
        reasons = await sold.why()
        assert [(reason.waits_for.value, reason.because) for reason in reasons] == [
            ("gate", "stocktaking"),
            ("key", ""),
        ]
        plain = (await served.http.get(f"/invocations/{sold.id}/why")).json()
        assert [reason["text"] for reason in plain["reasons"]] == [reason.text for reason in reasons]


async def test_deployments_are_told_of_and_moved(opened: Opened) -> None:
    async with opened() as client:
        (deployment,) = await client.deployments.list()
        assert deployment.is_latest
        assert await client.deployments.get(deployment.id) == deployment
        assert attrs.asdict(await client.deployments.make_latest(deployment.id)) == {
            "changed": False,
            "before": deployment.id,
            "after": deployment.id,
        }
        with raises(actors.NotFoundError, kind="deployment"):
            await client.deployments.make_latest("dep_1nothing")
        with raises(actors.ConflictError, code="in_use") as raised:
            await client.deployments.prune(deployment.id)
        assert raised.value.open_invocations is None


async def test_a_restart_and_a_resume_may_name_the_code(opened: Opened) -> None:
    async with opened() as client:
        sold = await client.actor(Shop, "a").sell.send("tea", 1)
        await sold.result()
        again = await sold.restart(deployment="latest", reason="twice")
        assert again.successor is not None
        await client.invocation(again.successor.invocation_id).result()
        closing = await client.actor(Shop, "a").close.send()
        await closing.pause()
        with raises(actors.NotFoundError, kind="deployment"):
            await closing.resume(deployment="dep_1nothing")
        with raises(actors.NotFoundError, kind="deployment"):
            await sold.restart(deployment="dep_1nothing", again=True)
        assert (await closing.resume(deployment="latest")).changed


async def test_a_job_is_previewed_started_awaited_and_told_of(opened: Opened) -> None:
    async with opened() as client:
        sold = [await client.actor(Shop, key).close.send() for key in ("a", "b", "c")]
        selection = client.jobs.where("service = 'Shop' and status <> 'completed'")
        preview = await selection.preview(sample=2)
        assert (preview.count, [info.id for info in preview.sample]) == (3, [sold[0].id, sold[1].id])
        job = await selection.pause(reason="stocktaking")
        ended = await job.result()
        assert (ended.state.value, ended.total, ended.changed, ended.refused) == ("done", 3, 3, {})
        assert await job.info() == ended
        assert [item.id async for item in job.items()] == [handle.id for handle in sold]
        assert await client.jobs.list() == [ended]
        signalled = await (await selection.signal("owner", "ada")).result()
        assert signalled.changed == 3
        assert (await sold[0].info()).pause_reason == "stocktaking"


async def test_a_job_takes_those_that_are_named_and_another_all_that_refused_it(opened: Opened) -> None:
    async with opened() as client:
        sold = [await client.actor(Shop, f"k{n}").close.send() for n in range(300)]
        named = client.jobs.of(handle.id for handle in sold[:250])
        assert (await named.preview(sample=1)).count == 250
        refused = await (await named.purge()).result()
        assert (refused.named, refused.total, refused.refused) == (250, 250, {"not_completed": 250})
        again = await (await client.jobs.refused_by(refused.id).pause(reason="not yet")).result()
        assert (again.refused_by, again.total, again.changed) == (refused.id, 250, 250)
        assert (await sold[249].info()).pause_reason == "not yet"
        assert (await sold[250].info()).pause_reason == ""
        with raises(actors.NotFoundError, kind="job"):
            await client.jobs.refused_by("job_0").pause()
        with pytest.raises(actors.InvalidArgumentError):
            await client.jobs.chosen(Choice(where="true", ids=(sold[0].id,))).pause()


async def test_a_job_that_cannot_be_is_refused(opened: Opened) -> None:
    async with opened() as client:
        with raises(actors.InvalidArgumentError, path="query"):
            await client.jobs.where("nothing = 1").preview()
        with raises(actors.InvalidArgumentError, path="query"):
            await client.jobs.where("nothing = 1").pause()
        with pytest.raises(actors.InvalidArgumentError):
            await client.jobs.where("true").start("pause", {"colour": "red"})
        with raises(actors.NotFoundError, kind="job"):
            await client.jobs.job("job_0").info()
        job = await client.jobs.where("service = 'Shop'").pause()
        await job.result()
        with raises(actors.ConflictError, code="already_completed"):
            await job.cancel()
        selection = client.jobs.where("service = 'Shop'")
        once, again = [await selection.start("pause", {}, idempotency_key="once") for _ in range(2)]
        assert once.id == again.id
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await selection.start("kill", {}, idempotency_key="once")
