"""Settings: whatever is wrong with them is named, all of it at once, and each once."""

import pytest

from checkout.config.settings import ApiSettings, PaymentSettings, TemporalSettings, WorkerSettings, load, load_all
from checkout.domain.errors import ConfigurationError
from checkout.domain.events import OwnEvents, PaymentEvent

Set = pytest.MonkeyPatch
SANDBOX = "http://127.0.0.1:12111"


def given(monkeypatch: Set, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CHECKOUT_{name}", value)


def lines(refused: pytest.ExceptionInfo[ConfigurationError]) -> list[str]:
    return str(refused.value).splitlines()


def test_groups_are_read_together_in_their_order(monkeypatch: Set) -> None:
    given(monkeypatch, TEMPORAL_ADDRESS="t:7233", TEMPORAL_NAMESPACE="shop", WORKER_PORT="9000")

    temporal, worker = load_all(TemporalSettings, WorkerSettings)

    assert (temporal.address, worker.port) == ("t:7233", 9000)


def test_a_setting_that_two_groups_read_is_named_once(monkeypatch: Set) -> None:
    given(monkeypatch, PROVIDER_TIMEOUT_SECONDS="soon")
    with pytest.raises(ConfigurationError) as refused:
        load_all(ApiSettings, PaymentSettings)

    variables = [line.split()[0] for line in lines(refused)]
    assert variables.count("CHECKOUT_PROVIDER_TIMEOUT_SECONDS") == 1
    assert len(set(variables)) == len(variables) == 6


@pytest.mark.parametrize("base", [None, "https://api.stripe.com", "https://proxy.example:8443/"])
def test_stripe_needs_a_return_url(monkeypatch: Set, base: str | None) -> None:
    given(monkeypatch, STRIPE_API_KEY="sk_test_1", **({"STRIPE_API_BASE": base} if base else {}))
    with pytest.raises(ConfigurationError, match=r"^CHECKOUT_PAYMENT_RETURN_URL is not set: without it Stripe gives"):
        load(PaymentSettings)

    given(monkeypatch, PAYMENT_RETURN_URL="https://shop.example/paid")
    assert load(PaymentSettings).payment_return_url == "https://shop.example/paid"


def test_the_sandbox_needs_no_return_url(monkeypatch: Set) -> None:
    given(monkeypatch, STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE=SANDBOX)

    assert load(PaymentSettings).payment_return_url is None


def test_where_the_base_is_malformed_the_return_url_is_not_missed(monkeypatch: Set) -> None:
    given(monkeypatch, STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE="stripe")
    with pytest.raises(ConfigurationError) as refused:
        load(PaymentSettings)

    assert [line.split()[0] for line in lines(refused)] == ["CHECKOUT_STRIPE_API_BASE"]


def test_half_a_client_certificate_is_refused_by_name(monkeypatch: Set) -> None:
    given(monkeypatch, TEMPORAL_TLS_CERT_FILE=__file__)
    with pytest.raises(ConfigurationError) as refused:
        load(TemporalSettings)

    assert [line.split(":")[0] for line in lines(refused)[2:]] == ["CHECKOUT_TEMPORAL_TLS_KEY_FILE is not set"]


@pytest.mark.parametrize("account", ["acct_", "cus_1", "acct_1 2", "acct_1,acct_2"])
def test_what_is_no_account_is_refused_by_name(monkeypatch: Set, account: str) -> None:
    given(monkeypatch, STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE=SANDBOX, STRIPE_ACCOUNT=account)
    with pytest.raises(ConfigurationError, match=r"^CHECKOUT_STRIPE_ACCOUNT is malformed"):
        load(PaymentSettings)


@pytest.mark.parametrize(
    ("key", "is_live"),
    [("sk_live_1", True), ("rk_live_1", True), ("sk_test_1", False), ("rk_test_1", False), ("sk_my_live_1", False)],
)
def test_the_key_tells_the_mode_of_our_events(monkeypatch: Set, key: str, is_live: bool) -> None:
    given(monkeypatch, STRIPE_API_KEY=key, STRIPE_API_BASE=SANDBOX)
    assert load(PaymentSettings).own_events == OwnEvents(is_live, None)

    given(monkeypatch, STRIPE_ACCOUNT="acct_1032D82eZvKYlo2C")
    assert load(PaymentSettings).own_events == OwnEvents(is_live, "acct_1032D82eZvKYlo2C")


@pytest.mark.parametrize(
    ("livemode", "account", "ours"),
    [
        (True, None, True),
        (None, None, True),
        (False, None, False),
        (True, "acct_1", True),
        (True, "acct_2", False),
        (False, "acct_1", False),
    ],
)
def test_an_event_is_ours_by_mode_and_by_account(livemode: bool | None, account: str | None, ours: bool) -> None:
    event = PaymentEvent("evt_1", "payment_intent.succeeded", "pi_1", None, 0, livemode, account)

    assert OwnEvents(is_live=True, account="acct_1").include(event) is ours


def test_without_an_account_of_our_own_every_event_that_names_one_is_foreign() -> None:
    event = PaymentEvent("evt_1", "payment_intent.succeeded", "pi_1", None, 0, False, "acct_1")

    assert not OwnEvents().include(event)
