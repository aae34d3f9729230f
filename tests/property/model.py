"""A small model of the shop: what is on the shelves, what was asked for, and what may have become of it.

It knows no workflow and no table. Where checkouts overlap in time it does not know who came first, so it keeps bounds:
what is certain to be refused, what may be, and what may not. Time is a counter of its own.
"""

from collections import Counter
from typing import Any

from tests.property.purchase import BUSY, FINAL, LATER, REFUSALS, Ending, Purchase
from tests.property.stack_client import Article

Json = dict[str, Any]
MAX_TOTAL_MINOR = 999_999_999_999


class Model:
    """The articles by SKU, and the purchases in the order in which they were asked for."""

    def __init__(self, articles: list[Article]) -> None:
        self.prices = {article.sku: article.price_minor for article in articles}
        self.currencies = {article.sku: article.currency for article in articles}
        self.purchases: list[Purchase] = []
        self.is_provider_well = True
        #: Units that came in, by SKU, each with the time; the first are those of the beginning.
        self._received = {article.sku: [(0, article.on_hand)] for article in articles}
        self._time = 0

    def tick(self) -> int:
        """A new moment, later than all before."""
        self._time += 1
        return self._time

    def accepted(self, started: int, key: str, body: Json, view: Json) -> Purchase:
        """A checkout was accepted, and looked so."""
        assert view["id"] not in {purchase.id for purchase in self.purchases}, "two keys have one id"
        purchase = Purchase(key, body, started, view, {0: body["payment_method"], 1: body["payment_method"]})
        purchase.is_disturbed = not self.is_provider_well
        self.purchases.append(purchase)
        return purchase

    def provider_fails(self) -> None:
        """Whatever is under way, and whatever will be, may lose its way to the provider."""
        self.is_provider_well = False
        for purchase in self._unfinished():
            purchase.is_disturbed = True

    def provider_recovers(self) -> None:
        """Whatever was stuck may go on."""
        self.is_provider_well = True
        for purchase in self._unfinished():
            purchase.is_recovered = True

    def receive(self, sku: str, units: int) -> None:
        """So many units came in."""
        self._received[sku].append((self.tick(), units))

    def received(self, sku: str, since_before: int | None = None) -> int:
        """How many units came in: in all, or before that moment."""
        return sum(n for moment, n in self._received[sku] if since_before is None or moment < since_before)

    def sold(self, sku: str) -> int:
        """How many units were confirmed."""
        return sum(p.quantities.get(sku, 0) for p in self.purchases if p.status == "confirmed")

    def total_minor(self, body: Json) -> int:
        """What the cart costs now; articles that there are not cost nothing."""
        return sum(self.prices.get(line["sku"], 0) * line["quantity"] for line in body["lines"])

    def observe(self, purchase: Purchase, view: Json) -> None:
        """See a view, and check that it is one that may come after the last one."""
        before, purchase.view = purchase.view, view
        assert view["status"] in LATER[before["status"]], (before, purchase)
        assert view["updated_at"] >= before["updated_at"], (before, purchase)
        self._check_identity(purchase, before)
        if before["status"] in FINAL:
            assert view == before, (before, purchase)
            return
        now = self.tick()
        purchase.ordered = purchase.ordered or (now if view["order_number"] else None)
        purchase.ended = now if purchase.is_final else None
        if view["status"] not in BUSY:
            self._check_at_rest(purchase)

    def _check_identity(self, purchase: Purchase, before: Json) -> None:
        view, asked = purchase.view, purchase.body
        assert view["id"] == before["id"], purchase
        for name in ("customer_id", "cart_id", "currency"):
            assert view[name] == asked.get(name), (name, purchase)
        assert {line["sku"]: line["quantity"] for line in view["lines"]} == purchase.quantities, purchase
        for name in ("order_number", "total_minor", "created_at"):
            assert before[name] in (None, view[name]), (name, before, purchase)
        if view["total_minor"] is not None:
            assert view["total_minor"] == sum(x["quantity"] * x["unit_price_minor"] for x in view["lines"]), purchase
            assert asked.get("expected_total_minor") in (None, view["total_minor"]), purchase

    def _check_at_rest(self, purchase: Purchase) -> None:
        seen: Ending = (purchase.status, purchase.view["reason"])
        allowed = self._endings(purchase)
        assert seen in allowed, f"{seen} is none of {sorted(map(str, allowed))}: {purchase}"
        purchase.check_decline()
        for sku in purchase.quantities.keys() & self.prices.keys():
            assert self.sold(sku) <= self.received(sku), f"{sku} was sold more often than it was there"

    def _endings(self, purchase: Purchase) -> set[Ending]:
        """Every status at rest, with its reason, that the checkout may have come to."""
        certain, possible = self._refusals(purchase)
        has_order = purchase.view["order_number"] is not None
        allowed: set[Ending] = set() if has_order else {("rejected", reason) for reason in certain | possible}
        if not certain and purchase.view["reason"] not in REFUSALS:
            allowed |= {("confirmed", None)} if purchase.view["total_minor"] == 0 else purchase.payment_endings()
        if purchase.cancelled_by:
            allowed = {ending for ending in allowed if ending[0] in ("rejected", "cancelled")}
            allowed |= {("cancelled", reason) for reason in purchase.cancelled_by}
        if purchase.is_disturbed:  # While the provider is away, what is to be given back waits for it.
            allowed |= {("compensation_stuck", reason) for status, reason in allowed if status == "cancelled"}
        return allowed

    def _refusals(self, purchase: Purchase) -> tuple[set[str], set[str]]:
        """The reasons for which it is certain to be refused (one of them is told), and those for which it may be."""
        certain, possible = set[str](), set[str]()
        skus = purchase.quantities
        if skus.keys() - self.prices.keys():
            certain.add("unknown_sku")
        if any(self.currencies[sku] != purchase.body["currency"] for sku in skus.keys() & self.prices.keys()):
            certain.add("currency_mismatch")
        for sku, units in skus.items():
            if sku in self.prices and units > self._left_at_most(sku, purchase):
                certain.add("out_of_stock")
            elif sku in self.prices and units > self._left_at_least(sku, purchase):
                possible.add("out_of_stock")
        self._judge_cart(purchase, certain, possible)
        total_minor = self.total_minor(purchase.body)
        if total_minor > MAX_TOTAL_MINOR:
            certain.add("total_too_large")
        elif purchase.ordered is None and purchase.body.get("expected_total_minor") not in (None, total_minor):
            certain.add("price_changed")
        return certain, possible

    def _judge_cart(self, purchase: Purchase, certain: set[str], possible: set[str]) -> None:
        cart_id = purchase.body.get("cart_id")
        if cart_id is None:
            return
        for other in self.purchases:
            if other is purchase or other.body.get("cart_id") != cart_id:
                continue
            if other.status == "confirmed" and other.ordered is not None and other.ordered < purchase.started:
                certain.add("cart_already_ordered")
            elif other.holds_until(purchase.started):
                possible.add("cart_already_ordered")

    def _left_at_most(self, sku: str, purchase: Purchase) -> int:
        """Units for sale when it asked, if of everybody else only those had any who are known to have had theirs."""
        gone = sum(
            other.quantities.get(sku, 0)
            for other in self.purchases
            if other.status == "confirmed" and other.ordered is not None and other.ordered < purchase.started
        )
        return self.received(sku) - gone

    def _left_at_least(self, sku: str, purchase: Purchase) -> int:
        """Units for sale when it asked, if everybody else who may have held some did."""
        others = (other for other in self.purchases if other is not purchase and other.holds_until(purchase.started))
        return self.received(sku, purchase.started) - sum(other.quantities.get(sku, 0) for other in others)

    def _unfinished(self) -> list[Purchase]:
        return [purchase for purchase in self.purchases if not purchase.is_final]

    def check_ledger(self, ledger: Json) -> None:
        """The provider holds the money of what is confirmed, and nothing else; asked for when all have ended."""
        checkout_of = {intent["id"]: intent["metadata"].get("checkout_id") for intent in ledger["intents"]}
        kept: Counter[str] = Counter()
        for intent in ledger["intents"]:
            kept[checkout_of[intent["id"]]] += intent["amount_received"]
        for refund in ledger["refunds"]:
            kept[checkout_of[refund["payment_intent"]]] -= refund["amount"]
        for purchase in self.purchases:
            due = purchase.view["total_minor"] if purchase.status == "confirmed" else 0
            assert kept[purchase.id] == due, f"{kept[purchase.id]} were kept instead of {due}: {purchase}"
