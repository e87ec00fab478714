"""Finds assignments to fields in shared handlers when their class is defined.

A shared handler that assigns a field raises when it reaches that line, possibly after weeks and in one branch of many. A type
checker cannot see the mistake, because ``self`` has the same class in every method.

The bytecode shows cheaply whether an attribute of that name is assigned at all, but not on which object; the source shows that.
The source may be missing, or newer than the code, so it is read second and used only if the bytecode agrees. A mistake that this check
does not find raises when its line runs.
"""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
import types
from typing import TYPE_CHECKING

from actors.errors import DefinitionError, DefinitionReason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from actors.model.definitions import HandlerDefinition

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def check_assigns_no_field(handler: HandlerDefinition, fields: Collection[str]) -> None:
    """Check that the code of a shared handler assigns and deletes no field of its object. Raises
    :class:`DefinitionError`.
    """
    assigned = {name for name in _assigned_names(handler.function.__code__) if name in fields}
    tree = _tree_of(handler.function) if assigned else None
    if tree is None:
        return
    own = next(iter(inspect.signature(handler.function).parameters))
    for found in _assignments(tree.body, own):
        if found.attr in assigned:
            line = handler.function.__code__.co_firstlineno + found.lineno - 1
            raise DefinitionError(
                f"{handler.function.__qualname__} is @shared and assigns {own}.{found.attr} in line {line}: a shared handler only "
                "reads. Make it a @handler, or in a workflow an @update",
                reason=DefinitionReason.ASSIGNMENT,
                name=handler.function.__qualname__,
            )


def _assigned_names(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_ATTR", "DELETE_ATTR"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _assigned_names(constant)


def _tree_of(function: Callable[..., object]) -> ast.AsyncFunctionDef | None:
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None  # typed at a prompt, or changed on disk since
    found = parsed.body[0] if parsed.body else None
    return found if isinstance(found, ast.AsyncFunctionDef) and found.name == function.__name__ else None


def _assignments(body: list[ast.stmt], own: str) -> Iterator[ast.Attribute]:
    """Yield the places where attributes of the object are stored or deleted, also in nested functions that see the
    object.
    """
    left: list[ast.AST] = [*reversed(body)]
    while left:
        node = left.pop()
        if isinstance(node, _Function) and own in _parameters(node):
            continue
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, (ast.Store, ast.Del))
            and isinstance(node.value, ast.Name)
            and node.value.id == own
        ):
            yield node
        left += reversed([*ast.iter_child_nodes(node)])


def _parameters(function: _Function) -> set[str]:
    return {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
