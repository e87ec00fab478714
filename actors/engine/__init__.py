"""What runs: one owner for each claimed partition, on trio.

An owner takes what has arrived for its objects, decides, commits together, acts (``processor``). Objects that are in use are in
memory (``loaded``, ``directory``); their handlers are driven there (``attempt``); side effects are trio tasks (``steps``).
"""
