"""The remote control of a server, over HTTP."""

from actors.extras import require

require("client")
