"""One shop in which every case has a checkout of its own: real servers, real activities, all cases side by side."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from checkout.config.settings import WorkerSettings
from checkout.db.session import Database
from checkout.domain.messages import CheckoutRequest, Line
from checkout.payments.gateway import PaymentGateway
from checkout.payments.stripe.gateway import StripeGateway
from tests.exhaustive.books import Books
from tests.exhaustive.cases import Case, is_local_first, name_of, patience_of
from tests.exhaustive.faults import ON_HAND, TOTAL_MINOR, UNIT_PRICE_MINOR, Fault, Strike
from tests.exhaustive.reconciliation import Reconciliation
from tests.exhaustive.run import Plan
from tests.exhaustive.trial import Trial
from tests.exhaustive.verdict import judge
from tests.exhaustive.watch import Saboteur, Watched
from tests.support.sandbox_server import SandboxServer
from worker import build_worker

#: Trials that keep the machine busy, and those that mostly wait for a time-out.
_BUSY_AT_ONCE, _WAITING_AT_ONCE = 16, 80
_SLOW = frozenset({Fault.AFTER_ITS_UNDO, Fault.AFTER_ITS_SECOND_TRY, Fault.KEEPS_FAILING})


@dataclass(repr=False)
class Shop:
    """A worker whose every activity can be struck, and the trials that it has been put to."""

    client: Client
    engine: AsyncEngine
    books: Books
    reconciliation: Reconciliation
    trials: dict[str, Trial]
    #: How often each activity touches the world under each trigger.
    touches: dict[tuple[str | None, str], int] = field(default_factory=dict)

    async def traces(self, checkout_id: str) -> dict[str, Any]:
        """See `Books.of`."""
        return await self.books.of(checkout_id)

    async def reconciled(self) -> None:
        """See `Reconciliation.wait`."""
        await self.reconciliation.wait()

    async def play(self, trials: Iterable[Trial]) -> None:
        """Put articles on the shelves, one for each trial, and play all of them."""
        todo = list(trials)
        self.trials |= {one.id: one for one in todo}
        insert = (
            "INSERT INTO products (sku, name, price_minor, currency, on_hand, received) "
            "VALUES (:sku, :sku, :price, 'EUR', :on_hand, :on_hand)"
        )
        async with self.engine.begin() as connection:
            await connection.execute(
                text(insert), [{"sku": one.id, "price": UNIT_PRICE_MINOR, "on_hand": ON_HAND} for one in todo]
            )
        busy, waiting = asyncio.Semaphore(_BUSY_AT_ONCE), asyncio.Semaphore(_WAITING_AT_ONCE)

        async def play(trial: Trial) -> None:
            async with waiting if _waits(trial) else busy:
                await trial.play()

        await asyncio.gather(*map(play, todo))

    async def count_touches(self, case: Case) -> None:
        """Play the case without its faults, and count how often each activity touches the world."""
        trial = self.trial(Case(case.step, (), case.trigger), [])
        await self.play([trial])
        complaints = list(judge(trial, await self.books.of(trial.id)).wrong)
        assert complaints == [], f"{trial.id}, undisturbed: {complaints=}"
        trigger = case.trigger.name if case.trigger else None
        for run in trial.runs:
            if run.error is None:
                self.touches.setdefault((trigger, run.activity), run.touched)

    def trials_of(self, case: Case) -> list[Trial]:
        """One for each place at which the fault may strike; for a case that has a turn, the one whose turn it is."""
        plans = [self._plans(case, one) for one in case.strikes]
        if case.turn is None:
            return [self.trial(case, [plan]) for plan in plans[0]]
        return [self.trial(case, [some[(case.turn // (1 + nth)) % len(some)] for nth, some in enumerate(plans)])]

    def _plans(self, case: Case, strike: Strike) -> list[Plan]:
        touches = self.touches[case.trigger.name if case.trigger else None, strike.activity]
        both_ways = strike.holds and not strike.is_undo and is_local_first(case.step)
        return [
            Plan(strike.fault, place, fails_locally)
            for place in strike.places(touches)
            for fails_locally in ((False, True) if both_ways else (False,))
        ]

    def trial(self, case: Case, chosen: Sequence[Plan]) -> Trial:
        """A checkout to whose activities this happens, in the order of the case's strikes."""
        plans = {strike.activity: plan for strike, plan in zip(case.strikes, chosen, strict=True)}
        if case.trigger and case.trigger.reason is None:
            plans.setdefault(name_of(case.trigger.step.do), Plan(Fault.IS_A_BUG))
        return Trial(case, request_of(case), plans, self)


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
        timeouts=patience_of(case),
        **changed,
    )


def _waits(trial: Trial) -> bool:
    return not _SLOW.isdisjoint(plan.fault for plan in trial.plans.values())


@asynccontextmanager
async def open_shop(client: Client, engine: AsyncEngine, sandbox: SandboxServer) -> AsyncIterator[Shop]:
    """Open it, and reconcile in it for as long as it is open."""
    trials: dict[str, Trial] = {}
    sabotaged = Client(**(client.config() | {"interceptors": [Saboteur(trials)]}))
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
        yield Shop(client, engine, Books(engine, sandbox), reconciliation, trials)
        if not schedule.cancel():
            schedule.result()
    await gateway.close()
