"""The remote control of a server, over HTTP."""
