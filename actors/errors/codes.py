"""The kinds of missing resources, for programs to compare."""

from __future__ import annotations

import enum


class ResourceKind(enum.StrEnum):
    """The kind of a resource that was not found."""

    INVOCATION = "invocation"
    SERVICE = "service"
    HANDLER = "handler"
    OBJECT = "object"
    FIELD = "field"
    STEP = "step"
    HISTORY = "history"
    JOB = "job"
    SCHEDULE = "schedule"
    NOTIFICATION = "notification"
    DEPLOYMENT = "deployment"
    FILE = "file"
    TOKEN = "token"  # noqa: S105  # the name of a kind
    PATH = "path"
