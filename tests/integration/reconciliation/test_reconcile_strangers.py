"""Payments in the same account that are not ours, that are forged or half written, and ours that somebody edited."""

import pytest

from checkout.domain.commands import Cancel
from checkout.domain.reconcile import MismatchKind
from checkout.domain.states import CheckoutStatus
from tests.support.attempts import attempt
from tests.support.sandbox_shop import SandboxShop
from tests.support.waiting import until
from workflows.checkout import CheckoutWorkflow


async def pay_elsewhere(shop: SandboxShop, **metadata: str) -> str:
    """Another program takes EUR 50.00 in the same account, and writes this on it; the payment's id."""
    written = {f"metadata[{name}]": value for name, value in metadata.items()}
    form = {"amount": "5000", "currency": "eur", "payment_method": "pm_card_visa", "confirm": "true", **written}
    answer = await shop.sandbox.http.post("/v1/payment_intents", data=form)
    return str(answer.raise_for_status().json()["id"])


async def refunded(shop: SandboxShop, reference: str) -> int:
    """What was given back of a payment."""
    refunds = (await shop.sandbox.ledger())["refunds"]
    return sum(one["amount"] for one in refunds if one["payment_intent"] == reference)


async def cancelled(shop: SandboxShop, method: str = "pm_card_authenticationRequired") -> str:
    """A checkout that ended without an order."""
    handle = await shop.start(method)
    await shop.wait_for("SELECT status FROM checkouts ORDER BY created_at DESC", lambda it: it == "awaiting_payment")
    await handle.execute_update(CheckoutWorkflow.cancel, Cancel())
    assert (await handle.result()).status == CheckoutStatus.CANCELLED
    return handle.id


@pytest.mark.parametrize(
    "metadata",
    [
        {"checkout_id": "co_7f3a"},
        {"checkout_id": "co_99", "attempt": "1"},
        {"checkout_id": "co_100", "attempt": "first"},
        {"checkout_id": "chk_of_another_shop", "attempt": "1", "deployment": "another one"},
        {"attempt": "1"},
        {"deployment": "another one"},
    ],
    ids=str,
)
async def test_payments_of_other_programs_are_neither_reported_nor_refunded(
    shop: SandboxShop, metadata: dict[str, str]
) -> None:
    stranger = await pay_elsewhere(shop, **metadata)
    orphan = await cancelled(shop)
    await shop.charge_beside_the_books(orphan)
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.checkout_id, mismatch.repaired) == (
        MismatchKind.CAPTURED_FOR_NO_ORDER,
        orphan,
        True,
    )
    assert await refunded(shop, stranger) == 0
    assert await shop.held_minor(orphan) == 0


@pytest.mark.parametrize("of", ["a confirmed one", "a cancelled one"])
async def test_a_foreign_payment_that_names_our_checkout_is_reported_and_not_refunded(
    shop: SandboxShop, of: str
) -> None:
    if of == "a confirmed one":
        handle = await shop.start()
        assert (await handle.result()).status == CheckoutStatus.CONFIRMED
        named = handle.id
    else:
        named = await cancelled(shop)
    forged = await pay_elsewhere(shop, checkout_id=named, attempt="1")
    mismatch = await shop.the_one_mismatch()
    assert (mismatch.kind, mismatch.provider_reference) == (MismatchKind.PAYMENT_OF_ANOTHER_PROGRAM, forged)
    assert (mismatch.repaired, await refunded(shop, forged)) == (False, 0)


async def test_our_payment_is_recognised_after_its_metadata_was_edited(shop: SandboxShop) -> None:
    orphan = await cancelled(shop)
    edited = (await shop.gateway.charge(attempt(checkout_id=orphan))).provider_reference
    await shop.tamper(f"UPDATE payments SET provider_reference = '{edited}'")
    assert await shop.found() == [(MismatchKind.CAPTURED_FOR_NO_ORDER, True)]
    assert await refunded(shop, edited) == 2580


async def test_an_unreadable_payment_does_not_hide_the_others(shop: SandboxShop) -> None:
    odd = await pay_elsewhere(shop, deployment=await shop.value("SELECT mark FROM deployment"))
    orphan = await cancelled(shop)
    await shop.charge_beside_the_books(orphan)
    found = {(one.kind, one.repaired): one for one in (await shop.reconcile()).mismatches}
    assert set(found) == {
        (MismatchKind.PAYMENT_CANNOT_BE_READ, False),
        (MismatchKind.CAPTURED_FOR_NO_ORDER, True),
    }
    assert found[MismatchKind.PAYMENT_CANNOT_BE_READ, False].provider_reference == odd
    assert await refunded(shop, odd) == 0


async def test_a_dispute_that_was_won_leads_to_a_refund(shop: SandboxShop) -> None:
    orphan = await cancelled(shop)
    reference = await shop.charge_beside_the_books(orphan)
    opened = await shop.sandbox.http.post("/sandbox/dashboard/dispute", json={"payment_intent": reference})
    assert await shop.found() == []
    won = {"dispute": opened.raise_for_status().json()["id"], "status": "won"}
    (await shop.sandbox.http.post("/sandbox/dashboard/dispute/close", json=won)).raise_for_status()
    assert await shop.found() == [(MismatchKind.CAPTURED_FOR_NO_ORDER, True)]
    await until(lambda: refunded(shop, reference), lambda minor: minor == 2580)
