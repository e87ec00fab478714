"""The web console: ES modules that the browser takes as they lie here, served by ``actors.http.server.console``.

It does nothing by itself: whatever the page shows and does goes through the same API that everybody uses, with the token of
the person using it. Hence its files need none. ``static/README.md`` says how a page is added.
"""
