"""A checkpointer of langgraph that keeps its checkpoints in a mapping, such as the ``Map`` of an object."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
    writes_sort_key,
)

from actors.errors import InvalidArgumentError
from actors.integrations.langgraph.ids import repeat_ids
from actors.integrations.langgraph.steps import in_hosted_code
from actors.integrations.langgraph.stored import restored, stored
from actors.model.verbs.time import current_time
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping, Sequence

    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.serde.base import SerializerProtocol

    from actors.model.fields import Map
    from actors.model.object_info import ItemInfo


Ids: TypeAlias = list[str]
Writes: TypeAlias = list[dict[str, Any]]


_PAGE = 100
"""The number of items that are read from an object at a time."""


class HasItems(Protocol):
    """The handle of an object, of any client."""

    async def items(
        self, field: str, *, at: int | None = None, start: str = "", limit: int = 100
    ) -> list[ItemInfo]: ...


class MapSaver(BaseCheckpointSaver[int]):
    """Keeps the checkpoints of graphs in ``items``, a ``Map[str, str]`` of an object or any other mapping of texts to texts.

    In a handler, each change of the map is part of the journal, as any change of a field. ``keep`` is the number of checkpoints that a thread
    keeps; a thread whose state uses langgraph's ``DeltaChannel`` keeps all, because the later ones need them. Compile or call the graph with
    ``durability="exit"`` to store one checkpoint a run: the nodes are recorded as steps anyway.

    Elsewhere, :meth:`read` gives the checkpoints of an object as they are::

        saver = await MapSaver.read(client.object("Conversation", "ada"), "checkpoints")
        state = builder.compile(checkpointer=saver).get_state({"configurable": {"thread_id": "ada"}})
    """

    def __init__(
        self, items: Map[str, str] | MutableMapping[str, str], *, keep: int = 1, serde: SerializerProtocol | None = None
    ) -> None:
        super().__init__(serde=serde)
        if type(keep) is not int or keep < 1:
            raise InvalidArgumentError(
                f"keep is {shown(keep)}, expected a number of checkpoints, at least 1", path="keep"
            )
        repeat_ids()
        self._items = items
        self._keep = keep

    @classmethod
    async def read(
        cls, of: HasItems, field: str, *, at: int | None = None, serde: SerializerProtocol | None = None
    ) -> MapSaver:
        """Return a saver with the items of an object's ``Map``, now or after the event ``at``. ``of`` is a handle of the object, of a
        client for trio or for asyncio. A change of the saver changes this copy, not the object."""
        items: dict[str, str] = {}
        start = ""
        while page := await of.items(field, at=at, start=start, limit=_PAGE):
            items.update((json.loads(item.item), item.value) for item in page)
            start = page[-1].item
        return cls(items, keep=max(1, len(items)), serde=serde)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns, asked = _place(config)
        ids = self._ids(thread, ns)
        found = asked or (ids[-1] if ids else None)
        return None if found is None else self._tuple(thread, ns, found)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # the name is langgraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        asked = dict(config.get("configurable", {})) if config is not None else {}
        end = None if before is None else before.get("configurable", {}).get("checkpoint_id")
        given = 0
        for thread, ns in self._threads():
            if asked.get("thread_id", thread) != thread or asked.get("checkpoint_ns", ns) != ns:
                continue
            for found in reversed(self._ids(thread, ns)):
                if asked.get("checkpoint_id", found) != found or (end is not None and found >= end):
                    continue
                one = self._tuple(thread, ns, found)
                if one is None or any(one.metadata.get(name) != value for name, value in (filter or {}).items()):
                    continue
                if limit is not None and given >= limit:
                    return
                given += 1
                yield one

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread, ns, parent = _place(config)
        found = checkpoint["id"]
        if in_hosted_code():
            checkpoint = {**checkpoint, "ts": datetime.fromtimestamp(current_time(), UTC).isoformat()}
        described = get_checkpoint_metadata(config, metadata)
        self._set(
            (thread, ns, found),
            {"checkpoint": stored(self.serde, checkpoint), "metadata": stored(self.serde, described), "parent": parent},
        )
        ids = [*(known for known in self._ids(thread, ns) if known != found), found]
        if not metadata.get("counters_since_delta_snapshot"):
            for dropped in ids[: -self._keep]:
                self._drop(thread, ns, dropped)
            ids = ids[-self._keep :]
        self._set((thread, ns), ids)
        return _config(thread, ns, found)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        thread, ns, found = _place(config)
        place = (thread, ns, str(found), "writes")
        kept: Writes = self._get(place) or []
        known = {(write["task"], write["index"]): at for at, write in enumerate(kept)}
        for number, (channel, value) in enumerate(writes):
            index = WRITES_IDX_MAP.get(channel, number)
            write = {
                "task": task_id,
                "path": task_path,
                "index": index,
                "channel": channel,
                "content": stored(self.serde, value),
            }
            at = known.get((task_id, index))
            if at is None:
                kept.append(write)
            elif index < 0:  # such as an error: the last one counts. Another write that is made again is the same
                kept[at] = write
        self._set(place, kept)

    def delete_thread(self, thread_id: str) -> None:
        for thread, ns in list(self._threads()):
            if thread == thread_id:
                for found in self._ids(thread, ns):
                    self._drop(thread, ns, found)
                del self._items[_key(thread, ns)]

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for one in self.list(config, filter=filter, before=before, limit=limit):
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        self.delete_thread(thread_id)

    def _tuple(self, thread: str, ns: str, found: str) -> CheckpointTuple | None:
        record = self._get((thread, ns, found))
        if record is None:
            return None
        writes: Writes = self._get((thread, ns, found, "writes")) or []
        writes.sort(key=lambda write: writes_sort_key(write["path"], write["task"], write["index"]))
        return CheckpointTuple(
            config=_config(thread, ns, found),
            checkpoint=restored(self.serde, record["checkpoint"]),
            metadata=restored(self.serde, record["metadata"]),
            parent_config=None if record["parent"] is None else _config(thread, ns, record["parent"]),
            pending_writes=[
                (write["task"], write["channel"], restored(self.serde, write["content"])) for write in writes
            ],
        )

    def _threads(self) -> Iterator[tuple[str, str]]:
        for key in sorted(self._items):
            place = json.loads(key)
            if len(place) == 2:
                yield place[0], place[1]

    def _ids(self, thread: str, ns: str) -> Ids:
        """Return the ids of the checkpoints that are kept, the oldest first."""
        ids: Ids = self._get((thread, ns)) or []
        return ids

    def _drop(self, thread: str, ns: str, found: str) -> None:
        for key in (_key(thread, ns, found), _key(thread, ns, found, "writes")):
            if key in self._items:
                del self._items[key]

    def _get(self, place: tuple[str, ...]) -> Any:
        text = self._items.get(_key(*place))
        return None if text is None else json.loads(text)

    def _set(self, place: tuple[str, ...], value: Any) -> None:
        self._items[_key(*place)] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _key(*place: str) -> str:
    return json.dumps(place, ensure_ascii=False, separators=(",", ":"))


def _place(config: RunnableConfig) -> tuple[str, str, str | None]:
    """Return the thread, the namespace and the checkpoint that a config names."""
    names: Mapping[str, Any] = config.get("configurable", {})
    return str(names["thread_id"]), names.get("checkpoint_ns", ""), names.get("checkpoint_id")


def _config(thread: str, ns: str, found: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": found}}
