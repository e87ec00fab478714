"""The engine: runs the objects of each claimed partition, on trio.

A partition processor takes requests, decides, commits together and acts (``processor``). Objects in use are kept in memory
(``loaded_object``, ``object_cache``). Their handlers run in the processor's task (``attempt``); side effects are trio tasks of
their own (``steps``).
"""
