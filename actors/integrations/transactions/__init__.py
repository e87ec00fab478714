"""Steps that commit their outcome with the rows of a database, in one transaction of that database."""

from __future__ import annotations

from actors.integrations.transactions.steps import transactional
from actors.integrations.transactions.table import CREATE_TABLE, create_table, prune

__all__ = ["CREATE_TABLE", "create_table", "prune", "transactional"]
