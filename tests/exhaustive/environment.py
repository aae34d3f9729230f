"""Where every case has a checkout of its own: real servers, real activities, all cases side by side."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import CheckoutRequest, Line
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.exhaustive.activity_run import Plan
from tests.exhaustive.books import Books
from tests.exhaustive.case_run import CaseRun
from tests.exhaustive.cases import Case, is_local_first, name_of, timeouts_of
from tests.exhaustive.faults import ON_HAND, TOTAL_MINOR, UNIT_PRICE_MINOR, Fault, Injection
from tests.exhaustive.reconciliation import Reconciliation
from tests.exhaustive.verdict import judge
from tests.exhaustive.watch import Saboteur, Watched
from tests.support.sandbox_server import SandboxServer
from tests.support.stock import put_on_shelves
from worker import build_worker

#: Runs that keep the machine busy, and those that mostly wait for a time-out.
_BUSY_AT_ONCE, _WAITING_AT_ONCE = 16, 80
_SLOW = frozenset({Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY, Fault.KEEPS_FAILING})


@dataclass(repr=False)
class Environment:
    """A worker with faults injected into its activities, and the runs of the cases."""

    client: Client
    engine: AsyncEngine
    books: Books
    reconciliation: Reconciliation
    case_runs: dict[str, CaseRun]
    #: How often each activity touches the world under each trigger.
    touches: dict[tuple[str | None, str], int] = field(default_factory=dict)

    async def traces(self, checkout_id: str) -> dict[str, Any]:
        """See `Books.of`."""
        return await self.books.of(checkout_id)

    async def reconciled(self) -> None:
        """See `Reconciliation.wait`."""
        await self.reconciliation.wait()

    async def play(self, case_runs: Iterable[CaseRun]) -> None:
        """Put articles on the shelves, one for each run, and play all of them."""
        todo = list(case_runs)
        self.case_runs |= {one.id: one for one in todo}
        await put_on_shelves(self.engine, {one.id: (UNIT_PRICE_MINOR, "EUR", ON_HAND) for one in todo})
        busy, waiting = asyncio.Semaphore(_BUSY_AT_ONCE), asyncio.Semaphore(_WAITING_AT_ONCE)

        async def play(case_run: CaseRun) -> None:
            async with waiting if _waits(case_run) else busy:
                await case_run.play()

        await asyncio.gather(*map(play, todo))

    async def count_touches(self, case: Case) -> None:
        """Play the case without its faults, and count how often each activity touches the world."""
        case_run = self.case_run(Case(case.step, (), case.trigger), [])
        await self.play([case_run])
        complaints = list(judge(case_run, await self.books.of(case_run.id)).wrong)
        assert complaints == [], f"{case_run.id}, undisturbed: {complaints=}"
        trigger = case.trigger.name if case.trigger else None
        for run in case_run.runs:
            if run.error is None:
                self.touches.setdefault((trigger, run.activity), run.touched)

    def case_runs_of(self, case: Case) -> list[CaseRun]:
        """One for each place at which the fault may come; for a case that has a turn, the one whose turn it is."""
        plans = [self._plans(case, one) for one in case.injections]
        if case.turn is None:
            return [self.case_run(case, [plan]) for plan in plans[0]]
        return [self.case_run(case, [some[(case.turn // (1 + nth)) % len(some)] for nth, some in enumerate(plans)])]

    def _plans(self, case: Case, injection: Injection) -> list[Plan]:
        touches = self.touches[case.trigger.name if case.trigger else None, injection.activity]
        both_ways = injection.holds and not injection.is_undo and is_local_first(case.step)
        return [
            Plan(injection.fault, place, fails_locally)
            for place in injection.places(touches)
            for fails_locally in ((False, True) if both_ways else (False,))
        ]

    def case_run(self, case: Case, chosen: Sequence[Plan]) -> CaseRun:
        """A checkout to whose activities this happens, in the order of the case's injections."""
        plans = {injection.activity: plan for injection, plan in zip(case.injections, chosen, strict=True)}
        if case.trigger and case.trigger.reason is None:
            plans.setdefault(name_of(case.trigger.step.do), Plan(Fault.IS_A_BUG))
        return CaseRun(case, request_of(case), plans, self)


def request_of(case: Case) -> CheckoutRequest:
    """What the case's customer wants: two pieces of an article that nobody else buys."""
    checkout_id = f"chk_{uuid.uuid4().hex}"
    changed: dict[str, Any] = {"quantity": 2, "payment_method": "pm_card_visa", "expected_total_minor": TOTAL_MINOR}
    changed |= case.trigger.changed if case.trigger else {}
    return CheckoutRequest(
        checkout_id=checkout_id,
        customer_id="cus_42",
        cart_id=f"cart_{checkout_id}",
        currency="EUR",
        lines=(Line(checkout_id, changed.pop("quantity")),),
        requested_at="2026-01-01T00:00:00.000+00:00",
        timeouts=timeouts_of(case),
        **changed,
    )


def _waits(case_run: CaseRun) -> bool:
    return not _SLOW.isdisjoint(plan.fault for plan in case_run.plans.values())


@asynccontextmanager
async def open_environment(client: Client, engine: AsyncEngine, sandbox: SandboxServer) -> AsyncIterator[Environment]:
    """Open it, and reconcile in it for as long as it is open."""
    case_runs: dict[str, CaseRun] = {}
    sabotaged = Client(**(client.config() | {"interceptors": [Saboteur(case_runs)]}))
    gateway = StripeGateway(sandbox.payment_settings())
    worker = build_worker(
        sabotaged,
        cast(Database, Watched(Database(engine))),
        cast(PaymentGateway, Watched(gateway)),
        # Room for every activity, and every workflow task with a local one, that a fault holds.
        WorkerSettings(
            max_concurrent_activities=500, max_concurrent_local_activities=500, max_concurrent_workflow_tasks=500
        ),
    )
    reconciliation = Reconciliation(client)
    async with worker:
        schedule = asyncio.create_task(reconciliation.run())
        yield Environment(client, engine, Books(engine, sandbox), reconciliation, case_runs)
        if not schedule.cancel():
            schedule.result()
    await gateway.close()
