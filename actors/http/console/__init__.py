"""The web console: ES modules that the browser loads unbuilt, served by ``actors.http.server.console``.

The console has no access of its own: everything on the page goes through the public API, with the token of the person using it.
Its files therefore need no token. ``static/README.md`` explains how to add a page.
"""
