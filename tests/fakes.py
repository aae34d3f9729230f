"""The one stand-in that tests use: a payment provider that answers what a test says."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

from checkout.domain.states import PaymentStatus, RefundStatus
from checkout.payments.gateway import Attempt, Charge, LedgerEntry, Refund

T = TypeVar("T")


class ScriptedGateway:
    """Answers what the test says. What a real provider does is the contract suite's matter."""

    def __init__(self) -> None:
        self.charged: list[Attempt] = []
        self.refunded: list[int] = []
        self.looks = 0
        self.charge_answer: Charge | Exception = Charge(PaymentStatus.CAPTURED, "pi_1", 2580, "EUR")
        #: For this try of the customer alone, instead of `charge_answer`.
        self.charge_answers: dict[int, Charge | Exception] = {}
        self.find_answer: Charge | Exception | None = None
        self.void_answer: Charge | Exception | None = None
        self.refund_status = RefundStatus.SUCCEEDED
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
        return _raise_or_return(self.charge_answers.get(attempt.number, self.charge_answer))

    async def find(self, attempt: Attempt) -> Charge | None:
        self.looks += 1
        return _raise_or_return(self.find_answer)

    async def void(self, attempt: Attempt) -> Charge | None:
        return _raise_or_return(self.void_answer)

    async def refund(self, attempt: Attempt, provider_reference: str, amount_minor: int) -> Refund:
        self.refunded.append(amount_minor)
        return Refund(self.refund_status, "re_1", amount_minor, attempt.currency)

    async def ledger(self, created_from: int, created_to: int) -> AsyncGenerator[LedgerEntry, None]:
        for entry in sorted(self.books, key=lambda entry: -entry.created):
            if created_from <= entry.created <= created_to:
                yield entry

    async def entry(self, provider_reference: str) -> LedgerEntry | None:
        return next((entry for entry in self.books if entry.provider_reference == provider_reference), None)

    async def close(self) -> None:
        """Nothing to close."""


def _raise_or_return(answer: T | Exception) -> T:
    if isinstance(answer, Exception):
        raise answer
    return answer
