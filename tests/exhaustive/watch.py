"""Stands between the worker and its activities, and between these and the world, so that a fault can be injected there.

The product's own activities run unchanged. Whatever method database and gateway have, a call of it is a touch.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from temporalio import activity, client, worker, workflow

from tests.exhaustive.activity_run import ActivityRun, PlannedFailure, current_run
from tests.exhaustive.case_run import CaseRun
from tests.exhaustive.injections import REPEATS, fail_the_local_try, inject, inject_at_the_end, is_due


class Watched:
    """A database or a gateway, each call of which is a touch of the activity that makes it."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if inspect.iscoroutinefunction(method):
            return _call(method)
        # What `asynccontextmanager` makes of a generator: a transaction, which touches when it is committed.
        if inspect.isasyncgenfunction(inspect.unwrap(method)) and not inspect.isasyncgenfunction(method):
            return _context(method)
        return method


def _call(method: Callable[..., Any]) -> Callable[..., Any]:
    async def touching(*arguments: Any, **options: Any) -> Any:
        await _before()
        result = await method(*arguments, **options)
        _after()
        return result

    return touching


def _context(method: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def touching(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
        await _before()
        async with method(*arguments, **options) as opened:
            yield opened
        _after()

    return touching


async def _before() -> None:
    if run := current_run.get():
        await inject(run)


def _after() -> None:
    if run := current_run.get():
        run.touched += 1


class Saboteur(client.Interceptor, worker.Interceptor):
    """Put into a client, it comes before every activity of the workers that are built on that client."""

    def __init__(self, case_runs: Mapping[str, CaseRun]) -> None:
        super().__init__()
        self._case_runs = case_runs

    def intercept_activity(self, next: worker.ActivityInboundInterceptor) -> worker.ActivityInboundInterceptor:
        return _Inbound(next, self._case_runs)

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor]:
        """Have workflow tasks lost that a fault wants lost."""
        case_runs = self._case_runs

        class Losing(worker.WorkflowInboundInterceptor):
            def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
                super().init(_LosesTasks(outbound, case_runs))

        return Losing


class _LosesTasks(worker.WorkflowOutboundInterceptor):
    """Fails the workflow task after a local activity, as the death of the worker would: of its end no word remains."""

    def __init__(self, inner: worker.WorkflowOutboundInterceptor, case_runs: Mapping[str, CaseRun]) -> None:
        super().__init__(inner)
        self._case_runs = case_runs

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        handle = super().start_local_activity(input)
        case_run = self._case_runs.get(workflow.info().workflow_id)
        if case_run is None:
            return handle

        async def end() -> Any:
            result = await handle
            if case_run.loses_task_with == input.activity:
                case_run.loses_task_with = None
                raise PlannedFailure("the workflow task is lost")
            return result

        return cast("workflow.ActivityHandle[Any]", asyncio.create_task(end()))


class _Inbound(worker.ActivityInboundInterceptor):
    def __init__(self, inner: worker.ActivityInboundInterceptor, case_runs: Mapping[str, CaseRun]) -> None:
        super().__init__(inner)
        self._case_runs = case_runs

    def init(self, outbound: worker.ActivityOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        checkout_id = getattr(input.args[0], "checkout_id", None) if input.args else None
        case_run = self._case_runs.get(checkout_id) if checkout_id else None
        if case_run is None:
            return await self.next.execute_activity(input)

        async def execute(run: ActivityRun) -> Any:
            fail_the_local_try(run)
            repeat = REPEATS.get(run.plan.fault) if run.plan and is_due(run) else None
            if repeat:
                return await repeat(run, lambda: self.next.execute_activity(input))
            result = await self.next.execute_activity(input)
            await inject_at_the_end(run)
            return result

        return await case_run.run(activity.info().activity_type, activity.info().is_local, execute)


class _Outbound(worker.ActivityOutboundInterceptor):
    def heartbeat(self, *details: Any) -> None:
        """A worker that was stopped tells nothing."""
        run = current_run.get()
        if run is None or not run.is_frozen:
            super().heartbeat(*details)
