"""How an object lies in rows: where the engine, which writes them, and queries, which read them, meet.

Nothing here knows of an engine, a handler or a client. A row is a key and its bytes (``journal.keys``, ``journal.rows``); what
reads one takes any :class:`journal.kv.store.Readable`: a running journal, a view of it, or a store that no process runs.
"""
