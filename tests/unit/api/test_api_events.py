"""Which events are the provider's, and what of them concerns us."""

import json
import time
from typing import Any

import pytest
from stripe import WebhookSignature

from api.http.problems import Problem
from api.webhooks.stripe_events import TOLERANCE_SECONDS, read_event, verify
from tests.support.api_process import api_settings

SECRET = "whsec_the_present_one"
CHECKOUT = "chk_" + "a" * 26
INTENT = {"id": "pi_1", "object": "payment_intent", "metadata": {"checkout_id": CHECKOUT}}


def event(kind: str = "payment_intent.succeeded", of: Any = INTENT, **changes: Any) -> bytes:
    fields = {"id": "evt_1", "object": "event", "type": kind, "created": 1763890200, "data": {"object": of}}
    return json.dumps(fields | changes).encode()


def signed(raw: bytes, secret: str = SECRET, age_seconds: float = 0) -> str:
    header: str = WebhookSignature.generate_signature_header(raw.decode(), secret, int(time.time() - age_seconds))
    return header


def refusal(header: str | None) -> str:
    with pytest.raises(Problem) as refused:
        verify(event(), header, [SECRET])
    return refused.value.kind.code


def test_what_the_present_and_the_former_secret_signed_is_genuine() -> None:
    settings = api_settings(stripe_webhook_secret=f" {SECRET}, whsec_the_former_one")
    for secret in (SECRET, "whsec_the_former_one"):
        verify(event(), signed(event(), secret), settings.webhook_secrets)


def test_one_good_signature_among_others_is_enough() -> None:
    time_part, good = signed(event()).split(",")
    verify(event(), f"{time_part},v0=abc,v1={'0' * 64},{good}", [SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "t=1",
        "v1=abc",
        "t=,v1=",
        "t=x,v1=abc",
        "t=1=2,v1",
        "," * 1000,
        f"t={'9' * 5000},v1=abc",
        "t=\u0661,v1=\u00e9",
    ],
)
def test_a_malformed_header_is_refused(header: str | None) -> None:
    assert refusal(header) == "invalid_signature"


# Signed in the test, not in its parameters: those name it, and two processes that collect it must agree on the name.
def test_what_somebody_else_signed_is_refused() -> None:
    assert refusal(signed(event(), "whsec_of_somebody_else")) == "invalid_signature"


def test_the_signature_of_another_body_is_refused() -> None:
    assert refusal(signed(event() + b" ")) == "invalid_signature"


def test_a_stale_signature_is_refused() -> None:
    assert refusal(signed(event(), age_seconds=TOLERANCE_SECONDS + 5)) == "invalid_signature"


def test_a_signature_of_another_scheme_is_refused() -> None:
    assert refusal(signed(event()).replace("v1=", "v0=")) == "invalid_signature"


def test_without_a_secret_nothing_is_genuine() -> None:
    with pytest.raises(Problem):
        verify(event(), signed(event(), ""), api_settings(stripe_webhook_secret=",,, ,,, ").webhook_secrets)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Problem):
        verify(b"\xff", signed(b""), [SECRET])


def test_an_event_names_the_payment_to_look_at() -> None:
    found = read_event(event())
    assert found
    assert (found.event_id, found.type, found.created) == ("evt_1", "payment_intent.succeeded", 1763890200)
    assert (found.provider_reference, found.checkout_id) == ("pi_1", CHECKOUT)


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ({}, (None, None)),
        ({"livemode": True, "account": None}, (True, None)),
        ({"livemode": False, "account": "acct_1032D82eZvKYlo2C"}, (False, "acct_1032D82eZvKYlo2C")),
    ],
)
def test_an_event_tells_its_mode_and_its_account(said: Any, understood: tuple[bool | None, str | None]) -> None:
    found = read_event(event(**said))
    assert found
    assert (found.livemode, found.account) == understood


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("payment_intent.payment_failed", INTENT),
        ("payment_intent.amount_capturable_updated", INTENT),
        ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}),
        ("charge.refunded", {"id": "ch_1", "payment_intent": {"id": "pi_1", "object": "payment_intent"}}),
        ("charge.refund.updated", {"id": "re_1", "payment_intent": "pi_1"}),
        ("refund.created", {"id": "re_1", "payment_intent": "pi_1", "metadata": {}}),
        ("refund.failed", {"id": "re_1", "payment_intent": "pi_1", "metadata": None}),
    ],
)
def test_events_of_payments_and_refunds_lead_to_the_payment(kind: str, of: Any) -> None:
    found = read_event(event(kind, of))
    assert found
    assert found.provider_reference == "pi_1"


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("customer.created", {"id": "cus_1"}),
        ("charge.succeeded", {"id": "ch_1", "payment_intent": "pi_1"}),
        ("payment_intent.", INTENT),
        ("payment_intent.succeeded.more", INTENT),
        ("charge.refunded", {"id": "ch_1", "payment_intent": None}),
        ("payment_intent.succeeded", {"id": "pi_' OR 1=1"}),
        ("payment_intent.succeeded", {"id": 7}),
        ("payment_intent.succeeded", {}),
    ],
)
def test_what_concerns_no_payment_is_let_pass(kind: str, of: Any) -> None:
    assert read_event(event(kind, of)) is None


@pytest.mark.parametrize("metadata", [None, [], {}, {"checkout_id": 7}, {"checkout_id": "4242424242424242"}])
def test_a_name_that_is_not_ours_is_not_passed_on(metadata: Any) -> None:
    found = read_event(event(of=INTENT | {"metadata": metadata}))
    assert found
    assert found.checkout_id is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"[]", "invalid_event"),
        (b"null", "invalid_event"),
        (b"{}", "invalid_event"),
        (event(object="v2.core.event"), "invalid_event"),
        (event(id="evt_" + "a" * 252), "invalid_event"),
        (event(id="evt_1/../2"), "invalid_event"),
        (event(id="reconcile"), "invalid_event"),
        (event(created="now"), "invalid_event"),
        (event(created=-1), "invalid_event"),
        (event(created=10**30), "invalid_event"),
        (event(data={}), "invalid_event"),
        (event(of=[]), "invalid_event"),
        (event(livemode="false"), "invalid_event"),
        (event(livemode=1), "invalid_event"),
        (event(account="chk_1"), "invalid_event"),
        (event(account=""), "invalid_event"),
        (event(account=["acct_1"]), "invalid_event"),
    ],
)
def test_a_body_that_is_no_event_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(Problem) as refused:
        read_event(raw)
    assert (refused.value.kind.status, refused.value.kind.code) == (400, code)
