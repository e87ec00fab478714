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
    NODE = "node"
    TOKEN = "token"  # noqa: S105  # the name of a kind
    PATH = "path"


class DefinitionReason(enum.StrEnum):
    """The rule that a definition breaks."""

    ABSTRACT = "abstract"
    """The class is abstract, or generic without real types."""
    ANNOTATION = "annotation"
    """An annotation is missing, or its names cannot be resolved."""
    ASSIGNMENT = "assignment"
    """A shared handler assigns a field."""
    DECORATOR = "decorator"
    """A decorator is applied twice, in the wrong order, or to a class that needs none."""
    DEFAULT = "default"
    """A default is missing, does not fit its type, or cannot be used for every object or call."""
    DUPLICATE = "duplicate"
    """Two definitions have one name, or one has several."""
    FUNCTION = "function"
    """A handler, a step, a factory or a validator is not a function of the right kind."""
    INTEGRATION = "integration"
    """A part of an agent framework cannot be recorded."""
    KIND = "kind"
    """The class does not follow the rules of an actor, a service or a workflow, or is used as one of another kind."""
    MEMBER = "member"
    """A method that is never called, or slots, which are not recorded."""
    NAME = "name"
    """Not a name, or a reserved one."""
    OPTION = "option"
    """Options that do not fit together, or do not fit what they describe."""
    OVERRIDE = "override"
    """A member hides a field or a handler of another class."""
    PARAMETERS = "parameters"
    """Parameters that cannot be recorded by name, or are not those of the handler."""
    SHARED_STATE = "shared_state"
    """A value that all objects would share."""
    SOURCE = "source"
    """The file or module of the code is missing, cannot be imported, or defines nothing."""
    TYPE = "type"
    """Values of the type cannot be stored as JSON and read back as equal values."""
