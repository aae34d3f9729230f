"""The one stand-in that tests use: a payment provider that returns what a test says."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TypeVar

from checkout.domain.payments import Attempt, Charge, LedgerEntry, OddEntry, Refund, RefundCall
from checkout.domain.states import PaymentStatus, RefundStatus

T = TypeVar("T")
ChargeOrNone = TypeVar("ChargeOrNone", Charge, Charge | None)


class ScriptedGateway:
    """Returns what the test says. What a real provider does is the contract suite's matter."""

    def __init__(self) -> None:
        self.charged: list[Attempt] = []
        self.refunded: list[int] = []
        self.looks = 0
        self.charge_result: Charge | Exception = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
        #: For this try of the customer alone, instead of `charge_result`.
        self.charge_results: dict[int, Charge | Exception] = {}
        #: And for this checkout alone.
        self.charge_results_by_checkout: dict[str, Charge | Exception] = {}
        self.find_result: Charge | Exception | None = None
        self.void_result: Charge | Exception | None = None
        self._captured: dict[str, Charge] = {}
        self.refund_status = RefundStatus.SUCCEEDED
        #: What the provider shows of refunds that others made.
        self.standing_refunds: list[Refund] = []
        #: Whether our key is one of the account that has the shop's payments.
        self.sees_payments = True
        self.account_since: datetime | None = None
        #: What the provider's ledger shows.
        self.books: list[LedgerEntry] = []
        #: A test that clears `let_go` holds a charge in its middle, from `arrived` on.
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def charge(self, attempt: Attempt) -> Charge:
        self.charged.append(attempt)
        self.arrived.set()
        await self.let_go.wait()
        usual = self.charge_results.get(attempt.number, self.charge_result)
        return self._told(_raise_or_return(self.charge_results_by_checkout.get(attempt.checkout_id, usual)))

    async def find(self, attempt: Attempt) -> Charge | None:
        self.looks += 1
        return self._told(_raise_or_return(self.find_result))

    async def void(self, attempt: Attempt) -> Charge | None:
        # What was captured stays so, whatever is asked for later.
        return self._told(_raise_or_return(self.void_result)) or self._captured.get(attempt.provider_reference or "")

    def _told(self, charge: ChargeOrNone) -> ChargeOrNone:
        if charge and charge.status is PaymentStatus.CAPTURED:
            self._captured[charge.provider_reference] = charge
        return charge

    async def refund(self, call: RefundCall) -> Refund:
        self.refunded.append(call.amount_minor)
        return Refund(self.refund_status, "re_1", call.amount_minor, call.currency)

    async def refunds(self, provider_reference: str) -> list[Refund]:
        made = [Refund(self.refund_status, "re_1", amount_minor, "EUR") for amount_minor in self.refunded]
        return made + self.standing_refunds

    async def sees(self, provider_reference: str) -> bool:
        return self.sees_payments

    async def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry | OddEntry, None]:
        for entry in sorted(self.books, key=lambda entry: -entry.created):
            if created_from <= entry.created <= created_to:
                yield entry

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        return next((entry for entry in self.books if entry.provider_reference == provider_reference), None)

    async def close(self) -> None:
        """Nothing to close."""


def _raise_or_return(result: T | Exception) -> T:
    if isinstance(result, Exception):
        raise result
    return result
