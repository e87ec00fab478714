"""A replicated log in PostgreSQL. It needs psycopg, which the extra ``postgres`` installs."""
