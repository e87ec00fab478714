"""The stored form of objects, shared by the engine, which writes it, and queries, which read it.

Nothing here depends on an engine, a handler or a client. A row is a key and its bytes (``journal.keys``, ``journal.rows``); a
reader takes any :class:`journal.kv.store.Readable`: a running journal, a view of it, or a store at rest.
"""
