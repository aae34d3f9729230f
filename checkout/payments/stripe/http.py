"""The HTTP client under the `stripe` package: bounded in time and size, and sure of what was never sent.

The package takes any subclass of its ``HTTPClient``. Its own ones bound each read but not the whole call, read an
response of any size, and report a refused connection like a lost response; a checkout must tell these two apart.
"""

import asyncio
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import stripe
from yarl import URL

from checkout.domain.errors import (
    ConfigurationError,
    OutcomeUnknown,
    ProviderError,
    ProviderRefusedCall,
    ProviderUnavailable,
)

_MAX_RESPONSE_BYTES = 1024 * 1024
_IDLE_SECONDS = 30.0

RawResponse = tuple[bytes, int, Mapping[str, str]]


class BoundedClient(stripe.HTTPClient):
    """One pool of connections to ``base_url``; a call takes ``timeout_seconds`` at most, from connecting to last byte.

    Made in a running event loop. A proxy that the environment names (``HTTPS_PROXY``, ``NO_PROXY``) is used, but never
    on the way to this machine. Raises ConfigurationError when that is none that HTTP can go through.

    Its `request_async` raises this project's own errors, which the package passes on untouched:
        ProviderUnavailable: no connection was made, so nothing was sent.
        ProviderRefusedCall: the request cannot be put into HTTP.
        OutcomeUnknown: anything else that is not a complete response of at most 1 MiB.
    """

    name: ClassVar[str] = "aiohttp"

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._proxy_url = _proxy_to(base_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cafile=stripe.ca_bundle_path),
                # The worker bounds how many calls are made at once; waiting for a connection would eat their time.
                limit=0,
                keepalive_timeout=_IDLE_SECONDS,
            ),
            # Connecting gets half of the time, so that its end is never mistaken for the end of the whole call.
            timeout=aiohttp.ClientTimeout(total=None, connect=timeout_seconds / 2),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one request and read its response."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(method, url, headers, post_data)
        except aiohttp.ClientError as error:
            raise _explain(error) from None
        except TimeoutError:
            raise OutcomeUnknown(f"the provider gave no full response within {self._timeout_seconds:g} s") from None

    async def _exchange(self, method: str, url: str, headers: Mapping[str, str], content: Any) -> RawResponse:
        # The package has put the address into its last form, and Stripe never redirects.
        async with self._session.request(
            method, URL(url, encoded=True), headers=headers, data=content, proxy=self._proxy_url, allow_redirects=False
        ) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _MAX_RESPONSE_BYTES:
                    raise OutcomeUnknown(f"the provider's response is longer than {_MAX_RESPONSE_BYTES} bytes")
        return bytes(body), response.status, response.headers

    async def close_async(self) -> None:
        """Close every connection."""
        await self._session.close()


def _explain(error: aiohttp.ClientError) -> ProviderError:
    kind = type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return ProviderUnavailable(f"no connection to the provider ({kind})")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return ProviderRefusedCall(f"the call cannot be sent over HTTP ({kind})")
    return OutcomeUnknown(f"the connection to the provider broke during the call ({kind})")


def _proxy_to(base_url: str) -> str | None:
    # Looked up once: aiohttp would do so for every call, in a thread, and read ~/.netrc besides.
    address = urlsplit(base_url)
    if _is_local(address.hostname or "") or proxy_bypass(address.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy:
        return None
    # As curl and others take it, an address without a scheme is that of an ordinary proxy.
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"the environment names a proxy to the provider that is no http(s)://HOST:PORT but {parts.scheme}://...; "
            f"set {address.scheme.upper()}_PROXY, or NO_PROXY={address.hostname} to go without"
        )
    return proxy


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
