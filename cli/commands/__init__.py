"""One file for each command: its words, its options, its help, and its work.

A command is a thin shell over the client. Its functions import what takes long to load, so that help answers at once.
"""
