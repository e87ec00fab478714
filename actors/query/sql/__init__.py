"""Read-only SQL over the journal.

``statement.query`` answers a SELECT, and ``predicates.where`` finds the invocations that match a condition. Both use SQLite's SQL
over the tables of ``tables``, and read one snapshot of the journal, live or at rest. From the bottom: ``columns`` and ``plans``
(tables, and the index that a query uses), one module for each table, ``virtual_tables`` (the interface to SQLite), ``budget`` and
``authorizer`` (the limits and permissions of a query).

Nothing is copied into SQLite: its database is empty, exists in memory for one query, and every table is a window on the snapshot.
"""

from __future__ import annotations
