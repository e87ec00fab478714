"""The rules of the system as pure functions: no trio, no disk, no clock, no randomness, no logging.

``decide`` turns a command into events, or refuses it. ``evolve`` applies an event to an object's state and is the only code that
changes it. ``react`` names the effects that an event requires; ``pending`` derives the same effects from a state, for recovery.
"""
