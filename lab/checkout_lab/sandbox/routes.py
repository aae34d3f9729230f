"""The part of Stripe's API that there is, route by route."""

from collections.abc import Callable

from checkout_lab.sandbox.errors import Json
from checkout_lab.sandbox.http.call import SandboxCall
from checkout_lab.sandbox.objects import accounts, disputes, intents, listing, refunds

Endpoint = Callable[[SandboxCall], Json]

API: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/payment_intents", intents.create),
    ("POST", "/v1/payment_intents/{name}/confirm", intents.confirm),
    ("POST", "/v1/payment_intents/{name}/cancel", intents.cancel),
    ("GET", "/v1/payment_intents/{name}", intents.retrieve),
    ("GET", "/v1/payment_intents", listing.intents),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds/{name}", refunds.retrieve),
    ("GET", "/v1/refunds", listing.refunds),
    ("GET", "/v1/disputes/{name}", disputes.retrieve),
    ("GET", "/v1/disputes", listing.disputes),
    ("GET", "/v1/radar/early_fraud_warnings", listing.warnings),
    ("GET", "/v1/events/{name}", listing.event),
    ("GET", "/v1/events", listing.events),
    ("GET", "/v1/account", accounts.retrieve),
)
