"""What it means, without doing any of it: no trio, no disk, no clock, no randomness, no logging.

``decide`` turns a command into events, or refuses it. ``evolve`` is the only place where state changes. ``react`` names
what the outside owes because of an event, ``pending`` the same from the state alone. ``replay`` drives a handler's
coroutine through the events that it has caused before, and on from there.
"""
