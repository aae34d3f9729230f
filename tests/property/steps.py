"""What every step of a machine has in common: a request, and what the model makes of the response."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine

from tests.property.carts import ARTICLES
from tests.property.model import Model
from tests.property.purchase import MAX_ATTEMPTS, UNDOING, Purchase
from tests.property.stack_client import Article, Json, StackClient


class Steps(RuleBasedStateMachine):
    """One small shop with a customer and articles of its own, on a stack that it shares with those before it."""

    def __init__(self, client: StackClient) -> None:
        super().__init__()
        self.client = client
        self.name = uuid.uuid4().hex[:8]
        self.keys = count(1)
        articles = [Article(f"{self.name}-{sku}", *facts) for sku, facts in ARTICLES.items()]
        client.stock_up(articles)
        self.model = Model(articles)

    def ask_for_carts(self, carts: list[Json], presses: int) -> list[Purchase]:
        """Start the checkouts at once, each by so many presses of the button."""
        asked = [(f"{self.name}-{next(self.keys)}", self._body(cart)) for cart in carts]
        started = self.model.tick()
        requests = [(key, body) for key, body in asked for _ in range(presses)]
        with ThreadPoolExecutor(len(requests)) as pool:
            responses = list(pool.map(lambda request: self.post(*request), requests))
        accepted = []
        for number, (key, body) in enumerate(asked):
            mine = responses[number * presses : (number + 1) * presses]
            assert {response.status_code for response in mine} == {202}, [response.text for response in mine]
            assert len({response.json()["id"] for response in mine}) == 1, "one key has two ids"
            first = [response.json() for response in mine if "Idempotent-Replayed" not in response.headers]
            assert len(first) == 1, "one key was taken for new more than once, or never"
            accepted.append(self.model.accepted(started, key, body, first[0]))
        return accepted

    def _body(self, cart: Json) -> Json:
        lines = [{"sku": f"{self.name}-{sku}", "quantity": quantity} for sku, quantity in cart["lines"]]
        body = {"customer_id": f"{self.name}-customer", "currency": cart["currency"], "lines": lines}
        body["payment_method"] = cart["payment_method"]
        if cart["cart"]:
            body["cart_id"] = f"{self.name}-{cart['cart']}"
        if cart["expected"] is not None:
            body["expected_total_minor"] = self.model.total_minor(body) + cart["expected"]
        return body

    def post(self, key: str, body: Json) -> httpx.Response:
        """Ask for a checkout."""
        headers = {"Idempotency-Key": key}
        return self._ask("POST", "/v1/checkouts", json=body, headers=headers)

    def see(self, purchase: Purchase, response: httpx.Response) -> None:
        """Have the model judge a view; one that is final is the same to the byte whenever it is asked for."""
        if response.status_code == 304:
            return
        assert response.status_code in (200, 202), response.text
        note(f"{purchase.key}: {response.text}")
        self.model.observe(purchase, response.json())
        purchase.tag = response.headers["ETag"]
        if purchase.is_final:
            purchase.final_content = purchase.final_content or response.content
            assert response.content == purchase.final_content, purchase
            assert "Retry-After" not in response.headers, purchase

    def look_at(self, purchase: Purchase, haste: bool) -> Json:
        """The view as it is now, or, without haste, once it has settled, if it can while the provider is as it is."""
        waits_for_provider = purchase.status in UNDOING and not self.model.is_provider_well
        self.see(purchase, self.client.look(purchase.id, wait_seconds=0 if haste or waits_for_provider else 10))
        return purchase.view

    def one_of(self, status: str, which: int, *, is_at_the_bank: bool = False) -> Purchase | None:
        """Some purchase that is like this, once all have settled.

        Not a precondition of a rule: how far a checkout has come is the shop's to decide, and not the same each time.
        """
        for purchase in self.model.purchases:
            if purchase.status == "processing":
                self.look_at(purchase, haste=False)
        them = [purchase for purchase in self.model.purchases if purchase.status == status]
        them = [purchase for purchase in them if purchase.view["payment"]["next_action"] or not is_at_the_bank]
        return them[which % len(them)] if them else None

    def pay(self, purchase: Purchase, method: str, presses: int) -> None:
        """Submit a payment method: taken when it is the customer's turn, else refused; pressed twice, done once."""
        before = purchase.view
        headers = {"Idempotency-Key": f"{purchase.key}-{next(self.keys)}"} if presses > 1 else {}
        path, body = f"/v1/checkouts/{purchase.id}/payment", {"payment_method": method}
        responses = [self._ask("POST", path, json=body, headers=headers) for _ in range(presses)]
        assert len({response.status_code for response in responses}) == 1, [response.text for response in responses]
        is_my_turn = before["status"] == "awaiting_payment" and before["payment"]["attempts"] < MAX_ATTEMPTS
        if responses[0].status_code == 202:
            assert is_my_turn or before["status"] in ("processing", "payment_stuck"), (before, responses[0].text)
            purchase.methods[responses[0].json()["payment"]["attempts"] + 1] = method
            self.see(purchase, responses[0])
        else:
            self._was_refused(responses[0], "no_payment_awaited")
            assert not is_my_turn or self._has_moved_on(purchase, before), responses[0].text

    def cancel_for(self, purchase: Purchase, who: str) -> None:
        """Cancel: taken, unless the checkout is confirmed or was rejected."""
        before = purchase.view
        if who == "support":
            response = self.client.support_does(purchase.id, "cancel")
        else:
            response = self._ask("POST", f"/v1/checkouts/{purchase.id}/cancel")
        if response.status_code == 202:
            assert before["status"] not in ("confirmed", "rejected"), (before, response.text)
            purchase.cancelled_by.add(f"cancelled_by_{who}")
            self.see(purchase, response)
        else:
            self._was_refused(response, "not_cancellable")
            assert self.look_at(purchase, haste=True)["status"] in ("confirmed", "rejected"), (purchase, response.text)

    def retry(self, purchase: Purchase, method: str | None) -> None:
        """Support charges anew: only a stuck payment, and only once it is known what became of the try before."""
        attempt = purchase.view["payment"]["attempts"]
        more = {"payment_method": method} if method else {}
        if response := self._support_acts(purchase, "retry-payment", more, "outcome_still_unknown"):
            purchase.methods[attempt + 1] = method or purchase.methods[attempt]
            self.see(purchase, response)
            self.look_at(purchase, haste=False)  # Support stays on the line until there is an outcome.

    def resolve(self, purchase: Purchase) -> None:
        """A person who has looked into the provider's books says what is there."""
        attempt = purchase.view["payment"]["attempts"]
        intents = [i for i in self.client.ledger()["intents"] if i["metadata"].get("checkout_id") == purchase.id]
        if any(intent["status"] == "processing" for intent in intents):
            return  # Nobody knows yet.
        said: Json = {"outcome": "not_charged"}
        for intent in intents:
            if intent["status"] == "succeeded":
                said = {"outcome": "captured", "provider_reference": intent["id"]}
        refusals = ("contradicted_by_provider", "outcome_still_unknown")
        if response := self._support_acts(purchase, "resolve-payment", said, *refusals):
            purchase.resolved.add(attempt)
            self.see(purchase, response)

    def _support_acts(self, purchase: Purchase, action: str, body: Json, *refusals: str) -> httpx.Response | None:
        """The response if it was carried out; refused, the payment is not stuck, or it is one of these refusals."""
        before = purchase.view
        was_stuck = before["status"] == "payment_stuck"
        response = self.client.support_does(purchase.id, action, **body)
        if response.status_code == 202:
            assert was_stuck or before["status"] == "processing", (before, response.text)
            return response
        self._was_refused(response, "not_stuck", *refusals)
        if response.json()["code"] == "not_stuck":
            assert not was_stuck or self._has_moved_on(purchase, before), (purchase, response.text)
        return None

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self.client.insist(self.client.storefront, method, path, **request)

    def _has_moved_on(self, purchase: Purchase, before: Json) -> bool:
        """Whether it looks different by now, which explains why something came too late."""
        return self.look_at(purchase, haste=True) != before

    def _was_refused(self, response: httpx.Response, *codes: str) -> None:
        assert response.status_code == 409, response.text
        assert response.json()["code"] in codes, response.text
