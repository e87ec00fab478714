"""What an invocation uses up: tokens, euros, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.model.verbs.branches import calling_step, running_branch_for
from actors.values.amounts import checked_amounts

if TYPE_CHECKING:
    from actors.values.amounts import Amount


_MOST_TOKENS = 1 << 40


def spend(**amounts: Amount) -> None:
    """Count what the handler or the step has used up, each amount under the name of its quantity, against the budgets of
    ``client.limits``.

    Once a budget that counts the invocation is used up, the invocation is paused before its handler continues, and its reason says
    which budget; steps that run by then end and are recorded. When there is room again, it continues by itself.

    An amount is an int, a ``Decimal`` or its text, and not below 0, so sums are exact. It is counted once: what a step spends is
    recorded with the end of its try, also of one that failed or was stopped, and what a handler spends with its turn; a replay counts
    nothing. A try that ends with its process has counted nothing. What a restart takes over from the original was counted there.
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
    """Count the tokens of a model's answer, as the model has reported them. An integration calls it in the step of the request: what a
    model reports wrongly is not counted, and is never the reason why a request fails."""
    counted = {
        name: number
        for name, number in (("input_tokens", input_tokens), ("output_tokens", output_tokens))
        if type(number) is int and 0 < number <= _MOST_TOKENS
    }
    if counted:
        spend(tokens=sum(counted.values()), **counted)
