"""Objects that are part of playhead: every runtime serves them besides the user's, on the code that runs.

They are written on what users have, so what they decide is as durable, and as visible, as what users' objects do. Their names
begin with ``playhead.``. They are hidden unless asked for, no gate holds them, and they belong to no deployment. A handler of
theirs does its work in one turn wherever that is possible, so that a new version of it has nothing to replay.
"""

from actors.model.classes import ObjectBase
from actors.system.code import Code
from actors.system.job import Job
from actors.system.registry import Registry

SYSTEM_CLASSES: tuple[type[ObjectBase], ...] = (Registry, Code, Job)
"""All of them."""
