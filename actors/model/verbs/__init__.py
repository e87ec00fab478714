"""The durable verbs: the operations that a handler may await, and the queries that it may make without waiting.

Each is recorded at the place where it was started, and answered from the journal when the handler is replayed. They belong to a
running handler and raise anywhere else.
"""
