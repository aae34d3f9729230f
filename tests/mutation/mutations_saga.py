"""Mistakes with undoing, with cancelling, and with what is left over."""

from tests.mutation.mutation import Edit, Mutation

_SAGA = "workflows/saga.py"
_CANCELLATION = "workflows/state/cancellation.py"
_CHECKOUT = "workflows/checkout.py"
_REMEMBERED = "self._begun = [*self._begun_before(position), step, *self._local_from(position + 1)]"

MUTATIONS = (
    Mutation(
        "undo-remembered-too-late",
        "An undo is remembered when its step has returned, so a step that fails after its effect is never undone.",
        (
            Edit(_SAGA, f"        {_REMEMBERED}\n", ""),
            Edit(
                _SAGA,
                "policy or step.policy, summary)\n",
                f"policy or step.policy, summary)\n        {_REMEMBERED}\n",
            ),
        ),
        cases=("charge_payment-the_customer_cancels_in_its_middle",),
    ),
    Mutation(
        "lost-task-forgotten",
        "A step counts as begun when the history says so, and not when a lost workflow task may have done it.",
        (Edit(_SAGA, "        return list(takewhile(", "        return [] and list(takewhile("),),
        cases=("create_order-its_task_is_lost_and_the_customer_cancels",),
    ),
    Mutation(
        "cancel-decided-first",
        "A cancel is decided on before the charge's result that came with it, upon which a lost task has confirmed.",
        (Edit(_CANCELLATION, "        await self._runner.await_whole_task()\n", ""),),
        cases=("confirm_order-its_task_is_lost_and_the_customer_cancels",),
    ),
    Mutation(
        "cancellation-not-caught",
        "`except Exception` lets a cancellation pass, and nothing is undone.",
        (
            Edit(
                _CHECKOUT,
                "except asyncio.CancelledError:  # *Cancel* in the Temporal UI",
                "except Exception:",
            ),
        ),
        cases=("reserve_stock-an_operator_cancels_in_its_middle", "charge_payment-an_operator_cancels_in_its_middle"),
    ),
    Mutation(
        "undone-from-the-wrong-end",
        "The first step is undone first: the checkout is closed while its order and its money are still there.",
        (
            Edit(
                _SAGA,
                "for step in reversed(self._begun):",
                "for step in self._begun:",
            ),
        ),
        cases=("cancel_order-price_changed-runs_twice",),
    ),
    Mutation(
        "undo-tried-once",
        "An undo that fails is not tried again.",
        (
            Edit(
                "workflows/policies.py",
                "return Policy(_DATABASE_TIMEOUT, _retry(first=0.2, slowest=10, non_retryable=[]))",
                "return Policy(_DATABASE_TIMEOUT, RetryPolicy(maximum_attempts=1))",
            ),
        ),
        cases=("release_stock-price_changed-fails_before_its_effect",),
    ),
    Mutation(
        "one-failure-is-final",
        "A step that fails once is not tried again, and a moment's outage undoes the checkout.",
        (
            Edit(
                "workflows/policies.py",
                "_retry(first=0.2, slowest=5, non_retryable=_NON_RETRYABLE), local_first=True)\n",
                "RetryPolicy(maximum_attempts=1), local_first=True)\n",
            ),
        ),
        cases=("confirm_order-fails_before_its_effect", "create_order-keeps_failing"),
    ),
    Mutation(
        "refusal-forgets-the-order",
        "A step that refuses leaves behind what an earlier try of it did.",
        (Edit(_SAGA, "position + 1 if step.undo_when_refused else position", "position"),),
        cases=("refund_payment-wrong_amount-runs_twice",),
    ),
    Mutation(
        "terminated-is-left",
        "Reconciliation says that it has put right what was abandoned, and has undone none of it.",
        (
            Edit(
                "workflows/reconcile.py",
                "                await self._undo(mismatch.checkout_id)\n",
                "",
            ),
        ),
        cases=("create_order-is_terminated_in_its_middle",),
    ),
)
