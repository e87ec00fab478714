"""The HTTP backend of a client."""

from actors.extras import require

require("client")
