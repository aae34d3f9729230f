"""The HTTP client under the `stripe` package: bounded in time and size, and sure of what was never sent.

The package takes any subclass of its ``HTTPClient``. Its own one bounds each read but not the whole call, reads an
answer of any size, and reports a refused connection like a lost answer; a checkout must tell these two apart.
"""

import asyncio
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
import stripe

from checkout.domain.errors import OutcomeUnknown, ProviderError, ProviderRefusedCall, ProviderUnavailable

_MAX_ANSWER_BYTES = 1024 * 1024
_IDLE_SECONDS = 30.0

Answer = tuple[bytes, int, Mapping[str, str]]


class BoundedClient(stripe.HTTPClient):
    """One pool of connections to ``base_url``; a call takes ``timeout_seconds`` at most, from connecting to last byte.

    Its `request_async` raises this project's own errors, which the package passes on untouched:
        ProviderUnavailable: no connection was made, so nothing was sent.
        ProviderRefusedCall: the request cannot be put into HTTP.
        OutcomeUnknown: anything else that is not a complete answer of at most 1 MiB.
    """

    name: ClassVar[str] = "httpx"

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=stripe.ca_bundle_path),
            # Connecting gets half of the time, so that its end is never mistaken for the end of the whole call.
            timeout=httpx.Timeout(timeout_seconds, connect=timeout_seconds / 2),
            # The worker bounds how many calls are made at once; waiting for a connection here would eat their time.
            limits=httpx.Limits(max_connections=None, keepalive_expiry=_IDLE_SECONDS),
            # A proxy from the environment leads to Stripe, never to a sandbox on this machine.
            trust_env=not _is_local(base_url),
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request and read its answer."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, url, headers, post_data)
        except TimeoutError:
            raise OutcomeUnknown(f"the provider gave no full answer within {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _explain(error) from None

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], content: Any) -> Answer:
        async with self._client.stream(method.upper(), url, headers=headers, content=content) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise OutcomeUnknown(f"the provider's answer is longer than {_MAX_ANSWER_BYTES} bytes")
        return bytes(body), response.status_code, response.headers

    async def close_async(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _explain(error: httpx.HTTPError | httpx.InvalidURL) -> ProviderError:
    kind = type(error).__name__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
        return ProviderUnavailable(f"no connection to the provider ({kind})")
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ProviderRefusedCall(f"the call cannot be sent over HTTP ({kind})")
    return OutcomeUnknown(f"the connection to the provider broke during the call ({kind})")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
