"""Spending: the amounts that an invocation uses up, such as tokens, euros or pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.model.verbs.branches import calling_step, running_branch_for
from actors.values.amounts import checked_amounts

if TYPE_CHECKING:
    from actors.values.amounts import Amount


_MOST_TOKENS = 1 << 40


def spend(**amounts: Amount) -> None:
    """Count amounts that the handler or the step has used up, by the name of the quantity, against the budgets of ``client.limits``.

    When a budget that counts the invocation is used up, the invocation is paused before its handler continues, and its reason names
    the budget. Running steps end and are recorded. The invocation continues by itself when the budget is raised.

    An amount is an int, a ``Decimal`` or its text, and not below 0, so sums are exact. It is counted once: with the end of the try for a
    step, even a failed or stopped try, and with the turn for a handler. A replay counts nothing, a try that dies with its process has
    counted nothing, and amounts in the kept part of a restart were counted for the original.
    ``handle.info().spent`` and SQL (``sys_invocation.spent``) show the sums. Raises :class:`InvalidArgumentError`,
    :class:`LimitExceededError` for more than 16 quantities, and :class:`MisuseError` outside of a handler and a step.

    ::

        answer = await client.responses.create(model=model, input=prompt)
        actors.spend(tokens=answer.usage.total_tokens, euros="0.04")
    """
    if not amounts:
        raise InvalidArgumentError(
            "actors.spend() has no amount; expected one or more, such as tokens=1200", path="amounts"
        )
    spent = {name: amount for name, amount in checked_amounts(amounts, "amounts").items() if amount != "0"}
    step = calling_step("spend")
    if step is not None:
        step.spend(spent)
        return
    branch = running_branch_for("spend")
    if spent and not branch.execution.closed:
        branch.execution.spend(branch, spent)


def spend_tokens(input_tokens: object, output_tokens: object) -> None:
    """Count the tokens of a model's answer, as the model has reported them. An integration calls it in the step of the request. An invalid
    report is not counted, and never fails the request."""
    counted = {
        name: number
        for name, number in (("input_tokens", input_tokens), ("output_tokens", output_tokens))
        if type(number) is int and 0 < number <= _MOST_TOKENS
    }
    if counted:
        spend(tokens=sum(counted.values()), **counted)
