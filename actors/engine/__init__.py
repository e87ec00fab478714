"""What runs: one owner for each claimed partition, on trio.

An owner takes what has arrived for its objects, decides, commits together, acts (``owner``). Objects that are in use are in
memory (``resident``, ``directory``); their handlers are driven there (``attempt``); side effects are trio tasks (``steps``).
"""
