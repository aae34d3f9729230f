"""The one way to connect to Temporal."""

import re

from temporalio.client import Client, TLSConfig
from temporalio.runtime import Runtime

from checkout.config.settings import TemporalSettings
from checkout.domain.errors import TemporalUnavailable


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
