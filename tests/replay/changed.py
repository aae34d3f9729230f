"""Deliberate changes of what a workflow asks Temporal for, made from outside of its code.

They stand between the workflow and Temporal, so they fit whatever the workflows look like. Each is an interceptor for a
`Replayer`, and for a `Client` whose worker is then a release with other workflows.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

import temporalio.client
import temporalio.worker
from temporalio import workflow

Handle = workflow.ActivityHandle[Any]
Input = TypeVar("Input", temporalio.worker.StartActivityInput, temporalio.worker.StartLocalActivityInput)


class _Commands(temporalio.worker.WorkflowOutboundInterceptor):
    """Passes on what the workflow asks for; a change overrides `instead`."""

    #: An activity -> the one that is asked for in its place; None for none.
    instead: ClassVar[Mapping[str, str | None]] = {}

    def start_activity(self, input: temporalio.worker.StartActivityInput) -> Handle:
        return self._changed(input, super().start_activity)

    def start_local_activity(self, input: temporalio.worker.StartLocalActivityInput) -> Handle:
        return self._changed(input, super().start_local_activity)

    def _changed(self, input: Input, start: Callable[[Input], Handle]) -> Handle:
        name = self.instead.get(input.activity, input.activity)
        if name is None:
            # What the workflow does with a handle, any task can do.
            return cast(Handle, asyncio.ensure_future(_nothing()))
        input.activity = name
        return start(input)


async def _nothing() -> None:
    """The result of an activity that has none."""


class _Swap(_Commands):
    instead: ClassVar[Mapping[str, str | None]] = {"create_order": "confirm_order", "confirm_order": "create_order"}


class _Drop(_Commands):
    instead: ClassVar[Mapping[str, str | None]] = {"confirm_order": None}


class _Unchanged(temporalio.worker.WorkflowInboundInterceptor):
    commands: type[_Commands] = _Commands

    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(self.commands(outbound))


class _Swapped(_Unchanged):
    commands = _Swap


class _Dropped(_Unchanged):
    commands = _Drop


class _PausesFirst(_Unchanged):
    async def execute_workflow(self, input: temporalio.worker.ExecuteWorkflowInput) -> Any:
        await workflow.sleep(0.001)
        return await super().execute_workflow(input)


class Change(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """One change, by its class of inbound interceptor."""

    def __init__(self, name: str, inbound: type[_Unchanged]) -> None:
        self.name = name
        self._inbound = inbound

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        """The change itself, for every workflow."""
        return self._inbound


NO_CHANGE = Change("none", _Unchanged)
TWO_STEPS_SWAPPED = Change("two steps swapped", _Swapped)
ONE_STEP_DROPPED = Change("one step dropped", _Dropped)
ONE_MORE_TIMER = Change("one more timer", _PausesFirst)
