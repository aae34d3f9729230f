"""The settings: read once per process from the environment into frozen objects, or refused by the variable's name.

Each process asks for what it needs and for no more: the API knows no database, the worker knows no API keys.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from checkout.domain.errors import ConfigurationError
from checkout.domain.requests import Patience

PREFIX = "CHECKOUT_"
Scope = Literal["storefront", "support"]
Seconds = Annotated[float, Field(gt=0, le=30 * 24 * 3600)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Settings(BaseSettings):
    # An empty variable (as docker compose passes an unset one) counts as missing.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")


def _host_and_port(value: str) -> str:
    if not re.fullmatch(r"[^\s:/]+:\d{1,5}", value):
        raise ValueError("write it as host:port, such as 127.0.0.1:7233")
    return value


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+", value.rstrip("/")):
        raise ValueError("write it as a URL without a path, such as https://api.stripe.com")
    return value.rstrip("/")


def _secret_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"(sk|rk)_[!-~]+", value.get_secret_value()):
        raise ValueError("it must be a secret or restricted key, which begins with sk_ or rk_")
    return value


def _page_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+([/?#]\S*)?", value):
        raise ValueError("write it as a URL, such as https://shop.example/checkout/paid")
    return value


class TemporalSettings(_Settings):
    """Where Temporal is, and as whom we speak to it."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}TEMPORAL_")

    address: Annotated[str, AfterValidator(_host_and_port), Field(description="host:port of the Temporal frontend")]
    namespace: Annotated[str, Field(min_length=1, description="the Temporal namespace")]
    tls: Annotated[bool, Field(description="speak TLS, as Temporal Cloud needs")] = False
    tls_ca_file: Annotated[Path | None, Field(description="PEM file of the CA that signed the server")] = None
    tls_cert_file: Annotated[Path | None, Field(description="PEM file of our client certificate (mTLS)")] = None
    tls_key_file: Annotated[Path | None, Field(description="PEM file of the client certificate's key")] = None
    api_key: Annotated[SecretStr | None, Field(description="API key, for Temporal Cloud")] = None

    @model_validator(mode="after")
    def _files_can_be_read(self) -> Self:
        for path in (self.tls_ca_file, self.tls_cert_file, self.tls_key_file):
            if path and not path.is_file():
                raise ValueError(f"{path} is not a file that can be read")
        if bool(self.tls_cert_file) != bool(self.tls_key_file):
            raise ValueError("a client certificate and its key go together: set both files or neither")
        return self


class DatabaseSettings(_Settings):
    """Where PostgreSQL is."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}DATABASE_")

    url: Annotated[SecretStr, Field(description="postgresql://user:password@host:port/database")]
    pool_size: Annotated[int, Field(ge=1, le=500, description="connections that one worker keeps")] = 20

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        try:
            url = make_url(value.get_secret_value())
        except ArgumentError:
            raise ValueError("write it as postgresql://user:password@host:port/database") from None
        if url.get_backend_name() != "postgresql":
            raise ValueError("only PostgreSQL will do: postgresql://user:password@host:port/database")
        # One driver, whatever the URL's author is used to writing.
        return SecretStr(url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False))


class PaymentSettings(_Settings):
    """Which payment provider, with which key. The sandbox, Stripe's test mode and Stripe differ by these two alone."""

    stripe_api_key: Annotated[
        SecretStr, AfterValidator(_secret_key), Field(description="the provider's secret key, sk_... or rk_...")
    ]
    stripe_api_base: Annotated[
        str, AfterValidator(_http_url), Field(description="where the provider's API is: Stripe's, or the sandbox's")
    ] = "https://api.stripe.com"
    provider_timeout_seconds: Annotated[Seconds, Field(description="how long one call to the provider may take")] = 10
    # It is part of every charge, and a charge that is repeated must repeat it.
    payment_return_url: Annotated[
        Annotated[str, AfterValidator(_page_url)] | None,
        Field(description="where the customer comes back to after authenticating; change it when no payment is open"),
    ] = None


class ReconcileSettings(_Settings):
    """How often the books are compared, and how far back. Read where runs are scheduled or started."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}RECONCILE_")

    every_seconds: Annotated[float, Field(ge=1, le=86_400, description="pause between two scheduled comparisons")] = 60
    window_hours: Annotated[
        float, Field(gt=0, le=24 * 90, description="how far back ended checkouts are compared; open ones always are")
    ] = 48


class WorkerSettings(_Settings):
    """How the worker runs, and as which version of itself."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}WORKER_")

    host: Annotated[str, Field(description="where the worker's health and metrics listen")] = "127.0.0.1"
    port: Annotated[Port, Field(description="port of the worker's /healthz and /readyz")] = 8081
    metrics_port: Annotated[Port | None, Field(description="port of the Temporal SDK's Prometheus /metrics")] = None
    max_concurrent_activities: Annotated[int, Field(ge=1, le=10_000, description="activities at once")] = 100
    max_concurrent_local_activities: Annotated[
        int, Field(ge=1, le=10_000, description="steps at once within workflow tasks; at most the pool's size")
    ] = 10
    max_concurrent_workflow_tasks: Annotated[int, Field(ge=2, le=10_000, description="workflow tasks at once")] = 100
    max_cached_workflows: Annotated[int, Field(ge=0, description="open workflows kept in memory")] = 1000
    shutdown_seconds: Annotated[Seconds, Field(description="how long running activities may finish on SIGTERM")] = 30
    # Temporal joins the two with a dot, so the name has none.
    deployment_name: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")] | None,
        Field(description="worker deployment in Temporal; with a build id, what starts on a version ends on it"),
    ] = None
    build_id: Annotated[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")] | None,
        Field(description="the version within the deployment, a new one for each release"),
    ] = None

    @model_validator(mode="after")
    def _a_version_is_whole(self) -> Self:
        if bool(self.deployment_name) != bool(self.build_id):
            raise ValueError("set both CHECKOUT_WORKER_DEPLOYMENT_NAME and CHECKOUT_WORKER_BUILD_ID, or neither")
        return self


class ApiKey(BaseModel):
    """One caller: its name, what it may do, and the key that proves it."""

    model_config = ConfigDict(frozen=True)

    name: str
    scope: Scope
    key: SecretStr


def _parse_api_keys(value: object) -> object:
    if not isinstance(value, str):
        return value
    keys = []
    for place, entry in enumerate(value.split(","), start=1):
        name, _, rest = entry.strip().partition(":")
        scope, _, key = rest.partition(":")
        # The entry may hold a secret, so the message names its place instead.
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise ValueError(f"entry {place}: the name must be 1-64 letters, digits, - or _ (write name:scope:key)")
        if scope not in ("storefront", "support"):
            raise ValueError(f"entry {place}: the scope must be storefront or support (write name:scope:key)")
        if not re.fullmatch(r"[!-~]{16,256}", key):
            raise ValueError(f"entry {place}: the key must be 16-256 printable characters (write name:scope:key)")
        keys.append({"name": name, "scope": scope, "key": key})
    if len({k["name"] for k in keys}) < len(keys) or len({k["key"] for k in keys}) < len(keys):
        raise ValueError("every entry needs a name and a key of its own")
    return tuple(keys)


class ApiSettings(_Settings):
    """Who may call the API, where it listens, and how long a checkout it starts may wait."""

    api_keys: Annotated[
        tuple[ApiKey, ...], NoDecode, Field(min_length=1, description="name:scope:key, comma-separated")
    ]
    id_secret: Annotated[
        SecretStr,
        Field(min_length=16, description="checkout ids are derived under it; never change it, share it by all APIs"),
    ]
    api_host: Annotated[str, Field(description="where the API listens")] = "127.0.0.1"
    api_port: Annotated[Port, Field(description="port of the API")] = 8000
    api_shed_above_seconds: Annotated[Seconds, Field(description="new checkouts that would take longer are shed")] = 2
    api_max_requests: Annotated[int, Field(ge=1, le=10**6, description="requests of each kind answered at once")] = 1000
    payment_stuck_after_seconds: Annotated[
        Seconds, Field(description="automatic payment tries before support is called")
    ] = 120
    payment_window_seconds: Annotated[
        Seconds, Field(description="how long a customer may take to pay, each time it is the customer's turn")
    ] = 900
    provider_timeout_seconds: Annotated[Seconds, Field(description="how long one call to the provider may take")] = 10
    stripe_webhook_secret: Annotated[
        SecretStr,
        Field(min_length=8, description="what the provider signs its events with; two, comma-separated, rotate"),
    ]
    temporal_ui_url: Annotated[
        Annotated[str, AfterValidator(_page_url)] | None,
        Field(description="Temporal's web UI, for the links that support gets"),
    ] = None

    _parse = field_validator("api_keys", mode="before")(_parse_api_keys)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that an event may be signed with: while one is being replaced, the old and the new."""
        secrets = self.stripe_webhook_secret.get_secret_value().split(",")
        return tuple(stripped for secret in secrets if (stripped := secret.strip()))

    @property
    def patience(self) -> Patience:
        """What every checkout started here is told about waiting."""
        return Patience(self.payment_stuck_after_seconds, self.provider_timeout_seconds, self.payment_window_seconds)


class SupportSettings(_Settings):
    """Where the support commands find the API, and as whom they speak to it."""

    api_url: Annotated[
        Annotated[str, AfterValidator(_http_url)] | None, Field(description="where the support commands find the API")
    ] = None
    support_key: Annotated[
        SecretStr | None, Field(description="a key of the scope support; neither set: those of ./.checkout")
    ] = None

    @field_validator("support_key")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("a key has printable characters alone, and no spaces")
        return value


class SandboxSettings(_Settings):
    """How the sandbox payment provider runs. For development and tests only."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}SANDBOX_")

    host: Annotated[str, Field(description="where the sandbox provider listens")] = "127.0.0.1"
    port: Annotated[Port, Field(description="port of the sandbox provider")] = 12111
    ledger: Annotated[Path, Field(description="the file of its ledger")] = Path("sandbox-ledger.sqlite")
    webhook_url: Annotated[
        Annotated[str, AfterValidator(_page_url)] | None,
        Field(description="where it sends its events; none: it sends none"),
    ] = None
    webhook_secret: Annotated[SecretStr | None, Field(description="what it signs its events with, whsec_...")] = None


_S = TypeVar("_S", bound=_Settings)


def load(settings: type[_S], **options: str | None) -> _S:
    """Read one group of settings from the environment; an option that is given counts instead of its variable.

    Raises:
        ConfigurationError: one or more are missing or malformed; each is named, none is shown.
    """
    try:
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        return settings(**given)
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_explain(settings, e["loc"], e["type"], e["msg"]) for e in error.errors())
        ) from None


def _explain(settings: type[_Settings], loc: tuple[int | str, ...], kind: str, message: str) -> str:
    prefix = settings.model_config.get("env_prefix", PREFIX)
    if not loc:
        return f"{prefix}*: {message.removeprefix('Value error, ')}"
    field = settings.model_fields.get(str(loc[0]))
    meaning = f" ({field.description})" if field and field.description else ""
    variable = f"{prefix}{loc[0]}".upper()
    if kind == "missing":
        return f"{variable} is not set{meaning}"
    return f"{variable} is malformed: {message.removeprefix('Value error, ')}{meaning}"
