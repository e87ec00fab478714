"""Nodes of a cluster that ask each other: the options of a node, and the requests between nodes over HTTP."""
