"""What customers, support, the bank and the provider may do, in any order, each step judged by the model."""

import time
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, precondition, rule

from tests.property.carts import HASTE, METHODS, carts
from tests.property.purchase import BUSY, UNDOING, Purchase
from tests.property.stack_client import TIMEOUT_SECONDS, Json, StackClient
from tests.property.steps import Steps


class Machine(Steps):
    """Any number of steps by anybody, and then an end to everything."""

    purchases: Bundle[Purchase] = Bundle("purchases")

    # What customers do.

    @initialize(target=purchases, wanted=st.lists(carts(), min_size=3, max_size=5), haste=HASTE)
    def open(self, wanted: list[Json], haste: bool) -> Any:
        """The first customers. What fails until the provider recovers fails again."""
        self.client.set_faults(recovered=False)
        accepted = self.ask_for_carts(wanted, presses=1)
        for purchase in accepted:
            self.look_at(purchase, haste)
        return multiple(*accepted)

    @rule(target=purchases, wanted=st.lists(carts(), min_size=1, max_size=3), presses=st.integers(1, 3))
    def ask_for(self, wanted: list[Json], presses: int) -> Any:
        """Several customers at once, each of whom may press the button more than once."""
        return multiple(*self.ask_for_carts(wanted, presses))

    @rule(purchase=purchases)
    def ask_again(self, purchase: Purchase) -> None:
        """The same key with the same body, however it is written, is the same checkout."""
        singly = [{**line, "quantity": 1} for line in purchase.body["lines"] for _ in range(line["quantity"])]
        response = self.post(purchase.key, dict(reversed({**purchase.body, "lines": singly}.items())))
        assert (response.status_code, response.headers["Idempotent-Replayed"]) == (202, "true"), response.text
        self.see(purchase, response)

    @rule(purchase=purchases, change=st.sampled_from([{"customer_id": "cus_other"}, {"payment_method": "pm_other"}]))
    def ask_for_something_else(self, purchase: Purchase, change: Json) -> None:
        """The same key with another body is refused."""
        response = self.post(purchase.key, purchase.body | change)
        assert (response.status_code, response.json().get("code")) == (422, "idempotency_key_reused"), response.text

    @rule(purchase=purchases)
    def look(self, purchase: Purchase) -> None:
        """A view that the client has is not sent again; a final one never changes."""
        response = self.client.look(purchase.id, unless=purchase.tag)
        if response.status_code == 304:
            assert (response.headers["ETag"], response.content) == (purchase.tag, b""), purchase
        else:
            self.see(purchase, response)

    @rule(purchase=purchases)
    def wait(self, purchase: Purchase) -> None:
        """Whatever is asked for settles, unless what is to be given back waits for the provider."""
        self.see(purchase, self.client.look(purchase.id, wait_seconds=20))
        waits = purchase.status == "compensating" and purchase.is_disturbed
        assert waits or purchase.status not in BUSY, purchase

    @rule(which=st.integers(0, 9), method=METHODS, presses=st.integers(1, 2))
    def pay_in_another_way(self, which: int, method: str, presses: int) -> None:
        """Who is asked to pay tries again."""
        if purchase := self.one_of("awaiting_payment", which):
            self.pay(purchase, method, presses)

    @rule(which=st.integers(0, 9), outcome=st.sampled_from(["approve", "approve", "fail"]))
    def go_to_the_bank(self, which: int, outcome: str) -> None:
        """Who has to authenticate does, or fails to; too late, it has no effect."""
        purchase = self.one_of("awaiting_payment", which, is_at_the_bank=True)
        if purchase is None:
            return
        payment = purchase.view["payment"]
        response = self.client.provider.post(f"{payment['next_action']['url']}/{outcome}")
        assert response.status_code in (200, 303, 409), response.text
        if response.status_code != 409:
            (purchase.approved if outcome == "approve" else purchase.failed).add(payment["attempts"])

    @rule(purchase=purchases, method=METHODS, does=st.sampled_from(["pay", "retry", "resolve"]), haste=HASTE)
    def do_what_may_not_be_due(self, purchase: Purchase, method: str, does: str, haste: bool) -> None:
        """Whatever somebody does who is not asked to is refused."""
        self.look_at(purchase, haste)
        if does == "pay":
            self.pay(purchase, method, presses=1)
        elif does == "retry":
            self.retry(purchase, method)
        else:
            self.resolve(purchase)

    @rule(purchase=purchases, who=st.sampled_from(["customer", "support"]), haste=HASTE)
    def cancel(self, purchase: Purchase, who: str, haste: bool) -> None:
        """Everything is undone, unless it is confirmed or was rejected."""
        self.look_at(purchase, haste)
        self.cancel_for(purchase, who)

    # What support does.

    @rule(purchase=purchases)
    def support_reads(self, purchase: Purchase) -> None:
        """Support sees what the customer sees, and the story of it."""
        response = self.client.insist(self.client.support, "GET", f"/v1/support/checkouts/{purchase.id}")
        assert response.status_code == 200, response.text
        detail = response.json()
        self.model.observe(purchase, {name: detail[name] for name in purchase.view})
        assert detail["timeline"] or purchase.status == "processing", detail
        assert bool(detail["can"]) == (purchase.status in ("processing", "awaiting_payment", "payment_stuck")), detail

    @rule(which=st.integers(0, 9), method=st.none() | METHODS)
    def support_tries_again(self, which: int, method: str | None) -> None:
        """Who is stuck is charged anew, once it is known what became of the try before."""
        if purchase := self.one_of("payment_stuck", which):
            self.retry(purchase, method)

    @rule(which=st.integers(0, 9))
    def support_looks_into_the_books(self, which: int) -> None:
        """Who is stuck is helped by a person who knows."""
        if purchase := self.one_of("payment_stuck", which):
            self.resolve(purchase)

    # What happens around them.

    @precondition(lambda self: self.model.is_provider_well)
    @rule(fault=st.sampled_from([{"outage": True}, {"error_rate": 1}, {"lost_response_rate": 1}, {"latency_ms": 3000}]))
    def provider_fails(self, fault: Json) -> None:
        """It is away, or broken, or mute, or slower than anybody waits for."""
        self.model.provider_fails()
        self.client.set_faults(**fault)

    @rule()
    def provider_recovers(self) -> None:
        """Everything is well again, also for the methods that were unavailable."""
        self.model.provider_recovers()
        self.client.recover()

    @rule(mode=st.sampled_from(["normal", "off", "duplicate", "shuffle"]))
    def webhooks_are(self, mode: str) -> None:
        """Events only make things faster, so the model knows nothing of them."""
        self.client.set_faults(webhooks=mode)

    @rule(sku=st.sampled_from(["MUG", "CUP"]), units=st.integers(1, 5))
    def goods_come_in(self, sku: str, units: int) -> None:
        """Stock is received while it is being sold."""
        self.model.receive(f"{self.name}-{sku}", units)
        self.client.receive(f"{self.name}-{sku}", units)

    @rule(price_minor=st.integers(100, 2000))
    def price_changes(self, price_minor: int) -> None:
        """Orders keep their prices; so that the model knows which, everybody under way gets an order first."""
        for purchase in self.model.purchases:
            while not purchase.is_final and purchase.ordered is None and purchase.status not in UNDOING:
                self.see(purchase, self.client.look(purchase.id, wait_seconds=1))
        self.model.prices[f"{self.name}-MUG"] = price_minor
        self.client.reprice(f"{self.name}-MUG", price_minor)

    # How it ends.

    def teardown(self) -> None:
        """Once the provider is well, everything comes to an end, and stock, orders and money agree."""
        self.provider_recovers()
        for purchase in self.model.purchases:
            self._bring_to_an_end(purchase)
        for sku in self.model.prices:
            left = self.model.received(sku) - self.model.sold(sku)
            assert self.client.shelf(sku) == (left, 0), (sku, left, self.client.shelf(sku))
            assert left >= 0, sku
        self.model.check_ledger(self.client.ledger())
        assert self.client.violations() == []

    def _bring_to_an_end(self, purchase: Purchase) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not purchase.is_final:
            assert time.monotonic() < deadline, f"it comes to no end: {purchase}"
            self.see(purchase, self.client.look(purchase.id, wait_seconds=20))
            attempt = purchase.view["payment"]["attempts"]
            if purchase.status == "awaiting_payment" and attempt in purchase.approved:
                # Who has approved is not cancelled here: the money is there, and has to be found.
                self.see(purchase, self.client.look(purchase.id, wait_seconds=20, unless=purchase.tag))
            elif purchase.status in ("awaiting_payment", "payment_stuck"):
                self.cancel_for(purchase, "support")


def machine_on(client: StackClient) -> type[Machine]:
    """The machine that works with this client."""

    class MachineOnThisStack(Machine):
        def __init__(self) -> None:
            super().__init__(client)

    return MachineOnThisStack
