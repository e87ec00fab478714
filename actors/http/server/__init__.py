"""The HTTP API in front of a runtime."""

from actors.extras import require

require("server")
