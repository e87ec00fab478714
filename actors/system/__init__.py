"""The built-in objects: every runtime serves them besides the user's, on its own code.

They are written with the same classes that users have, so their decisions are as durable and visible as those of user objects.
Their names begin with ``playhead.``. They are hidden by default, no gate holds them, and they belong to no deployment. Where
possible, a handler does its work in one turn, so that a new version of it has nothing to replay.
"""

from actors.model.classes import ObjectBase
from actors.system.code import Code
from actors.system.job import Job
from actors.system.locks import Lock
from actors.system.notification import Notification
from actors.system.registry import Registry
from actors.system.schedule import Schedule
from actors.system.scheduled_calls import ScheduledCall

SYSTEM_CLASSES: tuple[type[ObjectBase], ...] = (Registry, Code, Job, Schedule, ScheduledCall, Notification, Lock)
"""The built-in classes."""
