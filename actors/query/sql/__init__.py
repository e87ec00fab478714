"""Read-only SQL over what the journal keeps.

``run.query`` answers a statement, ``predicates.where`` finds the invocations that a condition fits; both speak SQLite's SQL over
the tables of ``tables``, and read one view of the journal, live or at rest. From the bottom: ``columns`` and ``plans`` (what a
table is, and which way into it a query takes), one module for each table, ``virtual`` (how SQLite asks for rows), ``budget`` and
``guard`` (what a query may take, and may do).

Nothing is copied into SQLite: its database is empty, lives in memory for one query, and every table is a window on the view.
"""

from __future__ import annotations
