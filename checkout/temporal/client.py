"""How we speak with Temporal: the names the outside relies on, and the one way to connect."""

import re
from typing import Final

from temporalio.client import Client, TLSConfig
from temporalio.common import SearchAttributeKey
from temporalio.runtime import Runtime

from checkout.config.settings import TemporalSettings
from checkout.domain.errors import TemporalUnavailable

TASK_QUEUE = "checkout"

#: How often a worker asks at once. A task queue has four partitions unless the server is told otherwise, and only what
#: meets a waiting poll is handed over at once. By default one poll of five asks for new checkouts: theirs queued on
#: disk in three partitions, while younger ones passed them in the fourth, and the slowest took six times as long as
#: the rest. The part is that of the polls for workflow tasks which ask for new checkouts and for those of dead workers.
WORKFLOW_TASK_POLLS: Final = 20
NEW_WORKFLOW_POLLS_PART: Final = 0.5
ACTIVITY_TASK_POLLS: Final = 10

CHECKOUT_STATUS = SearchAttributeKey.for_keyword("CheckoutStatus")
PAYMENT_STATUS = SearchAttributeKey.for_keyword("PaymentStatus")
CUSTOMER_ID = SearchAttributeKey.for_keyword("CustomerId")
ORDER_NUMBER = SearchAttributeKey.for_keyword("OrderNumber")
SEARCH_ATTRIBUTES = (CHECKOUT_STATUS, PAYMENT_STATUS, CUSTOMER_ID, ORDER_NUMBER)


async def connect(settings: TemporalSettings, *, lazy: bool = False, runtime: Runtime | None = None) -> Client:
    """A client for the namespace of the settings. ``lazy`` connects on first use instead of now.

    Raises:
        TemporalUnavailable: the server cannot be reached (not when ``lazy``).
    """
    try:
        return await Client.connect(
            settings.address,
            namespace=settings.namespace,
            tls=_tls(settings),
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            lazy=lazy,
            runtime=runtime,
        )
    except RuntimeError as error:
        # The SDK has no class of its own for this, and wraps the system's words in the names of several layers.
        cause = re.search(r'message: "([^"]+)"', str(error))
        why = cause[1] if cause else str(error).partition("\n")[0]
        raise TemporalUnavailable(
            f"Temporal at {settings.address} cannot be reached: {why}; is it running? (CHECKOUT_TEMPORAL_ADDRESS)"
        ) from error


def _tls(settings: TemporalSettings) -> TLSConfig | bool:
    if not settings.tls:
        return False
    return TLSConfig(
        server_root_ca_cert=settings.tls_ca_file.read_bytes() if settings.tls_ca_file else None,
        client_cert=settings.tls_cert_file.read_bytes() if settings.tls_cert_file else None,
        client_private_key=settings.tls_key_file.read_bytes() if settings.tls_key_file else None,
    )
