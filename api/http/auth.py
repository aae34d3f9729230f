"""Who is calling: bearer keys (RFC 6750), each with a name and a scope."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from api.http.problems import UNAUTHORIZED, WRONG_SCOPE, Problem
from checkout.config.values import ApiKey, Scope

_BEARER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Caller:
    """The name and the scope of the key that a request carries."""

    name: str
    scope: Scope


class Keyring:
    """The keys that open the API. It keeps digests, so a dump of it reveals no key."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._callers = tuple((_digest(key.key.get_secret_value()), Caller(key.name, key.scope)) for key in keys)

    def authenticate(self, request: Request, scope: Scope) -> Caller:
        """The caller of this request.

        Raises:
            Problem: 401 without a known key, 403 when the key has another scope.
        """
        caller = self._caller(_bearer_key(request))
        if caller.scope != scope:
            challenge = {"WWW-Authenticate": f'Bearer realm="checkout", error="insufficient_scope", scope="{scope}"'}
            raise Problem(WRONG_SCOPE, f"This needs a key of the scope {scope}.", headers=challenge)
        return caller

    def _caller(self, key: str) -> Caller:
        digest = _digest(key)
        found = None
        # Every key is compared, so that the time taken reveals nothing about which one came close.
        for known, caller in self._callers:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="checkout", error="invalid_token"'}
            raise Problem(UNAUTHORIZED, "The key in the header Authorization is not known.", headers=challenge)
        return found


class KeyOfScope(SecurityBase):
    """A key of one scope, as FastAPI documents it; reads the caller with the app's keyring (``app.state.keyring``)."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.scheme_name = scope
        self.model = HTTPBearer(description=f"a key of the scope `{scope}`")

    def __call__(self, request: Request) -> Caller:
        """The caller.

        Raises:
            Problem: as `Keyring.authenticate`.
        """
        keyring: Keyring = request.app.state.keyring
        return keyring.authenticate(request, self._scope)


StorefrontCaller = Annotated[Caller, Security(KeyOfScope("storefront"))]
SupportCaller = Annotated[Caller, Security(KeyOfScope("support"))]


def _bearer_key(request: Request) -> str:
    values = request.headers.getlist("authorization")
    match = _BEARER.fullmatch(values[0].strip()) if len(values) == 1 else None
    if match is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="checkout"'}
        raise Problem(UNAUTHORIZED, "Send one header 'Authorization: Bearer KEY'.", headers=challenge)
    return match[1]


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
