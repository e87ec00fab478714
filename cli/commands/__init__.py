"""The commands, one file each: arguments, options, help and work.

A command is a thin layer over the client. Its functions import modules that take long to load, so that help is fast.
"""
