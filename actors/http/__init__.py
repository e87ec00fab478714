"""The HTTP face: the server in front of a runtime, and the client that speaks to one.

It knows clients and inspection, and nothing of the engine.
"""
