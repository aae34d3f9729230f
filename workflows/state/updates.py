"""Updates under their ids: each is carried out once, also when an earlier run has carried it out.

Temporal itself returns the known outcome for an id that it knows, but only within one run. Outcomes of earlier runs are
handed from run to run (`checkout.domain.resume`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from checkout.domain.commands import UpdateRefusal
    from checkout.domain.resume import CompletedUpdate, Resume, digest_of

C = TypeVar("C")


def refusal(kind: UpdateRefusal, message: str) -> ApplicationError:
    """The error by which a workflow refuses an update."""
    return ApplicationError(message, type=kind, non_retryable=True)


class Updates:
    """The updates that have been carried out or refused, by their ids."""

    def __init__(self, resume: Resume | None) -> None:
        #: The oldest first.
        self.completed = dict(resume.completed_updates) if resume else {}

    def refuse(self, command: C, check: Callable[[C], None]) -> None:
        """For a validator: refuse what can be refused at once, so that it is neither written down nor counted.

        Raises:
            ApplicationError: UpdateIdReused, when the id stands for another command; what it was refused with before;
                or what ``check`` raises, unless the id is known.
        """
        known = self.completed.get(_update_id())
        if known is None:
            return check(command)
        if known.digest != digest_of(command):
            raise refusal(UpdateRefusal.UPDATE_ID_REUSED, "this id stands for another command")
        if known.error_type:
            raise ApplicationError(known.error, type=known.error_type, non_retryable=True)
        return None

    async def once(self, command: C, carry_out: Callable[[C], Awaitable[None] | None]) -> None:
        """Carry the command out, unless that was done under the same id.

        Raises:
            ApplicationError: what ``carry_out`` raises.
        """
        if _update_id() in self.completed:
            return
        try:
            carrying_out = carry_out(command)
            if carrying_out is not None:
                await carrying_out
        except ApplicationError as error:
            self._note(CompletedUpdate(digest_of(command), error.type, error.message))
            raise
        self._note(CompletedUpdate(digest_of(command)))

    def _note(self, completed: CompletedUpdate) -> None:
        self.completed[_update_id()] = completed


def _update_id() -> str:
    update: Any = workflow.current_update_info()
    return str(update.id)
