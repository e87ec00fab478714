"""The classes that users hold and that public functions return: objects, handlers, fields, handles, and records about
invocations. No trio, no disk.
"""
