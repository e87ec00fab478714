"""The handle of an invocation for callers that block. Its types are in the generated stub beside this file."""

from __future__ import annotations

from actors.model import handles
from actors.model.blocking import blocking

InvocationHandle = blocking(handles.InvocationHandle)
