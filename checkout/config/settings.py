"""The settings: read once per process from the environment into frozen objects, or refused by the variables' names.

Each process asks for what it needs and for no more: the API knows no database, the worker knows no API keys. Everything
that is wrong is named at once. So a rule about two settings stands with the one that has to be changed: a rule about
the whole group would be tried only once each of its settings is right.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from checkout.config.loading import PREFIX, Group, load, load_all, not_set
from checkout.config.values import (
    ApiKey,
    Port,
    account_id,
    base_url,
    host_and_port,
    is_live,
    page_url,
    parse_api_keys,
    readable_file,
    secret_key,
)
from checkout.domain.events import OwnEvents
from checkout.domain.messages import Timeouts

__all__ = [
    "TemporalSettings",
    "DatabaseSettings",
    "PaymentSettings",
    "ReconcileSettings",
    "WorkerSettings",
    "ApiSettings",
    "SupportSettings",
    "load",
    "load_all",
]

Seconds = Annotated[float, Field(gt=0, le=30 * 24 * 3600)]
_File = Annotated[Path, AfterValidator(readable_file)]


class TemporalSettings(Group):
    """Where Temporal is, and as whom we speak to it."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}TEMPORAL_")

    address: Annotated[str, AfterValidator(host_and_port), Field(description="host:port of the Temporal frontend")]
    namespace: Annotated[str, Field(min_length=1, description="the Temporal namespace")]
    tls: Annotated[bool, Field(description="speak TLS, as Temporal Cloud needs")] = False
    tls_ca_file: Annotated[_File | None, Field(description="PEM file of the CA that signed the server")] = None
    tls_cert_file: Annotated[_File | None, Field(description="PEM file of our client certificate (mTLS)")] = None
    tls_key_file: Annotated[_File | None, Field(description="PEM file of the client certificate's key")] = None
    api_key: Annotated[SecretStr | None, Field(description="API key, for Temporal Cloud")] = None

    @field_validator("tls_key_file")
    @classmethod
    def _goes_with_the_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_cert_file" in info.data and bool(value) != bool(info.data["tls_cert_file"]):
            why = "a client certificate and its key go together: set both files or neither"
            raise ValueError(why) if value else not_set(why)
        return value


class DatabaseSettings(Group):
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


class PaymentSettings(Group):
    """Which payment provider, with which key. The sandbox, Stripe's test mode and Stripe differ in `stripe_api_key` and
    `stripe_api_base` alone.
    """

    stripe_api_key: Annotated[
        SecretStr, AfterValidator(secret_key), Field(description="the provider's secret key, sk_... or rk_...")
    ]
    stripe_api_base: Annotated[
        str, AfterValidator(base_url), Field(description="where the provider's API is: Stripe's, or the sandbox's")
    ] = "https://api.stripe.com"
    stripe_account_since: Annotated[
        AwareDatetime | None,
        Field(description="since when the shop's payments are in this account and mode, after a change; ISO 8601"),
    ] = None
    provider_timeout_seconds: Annotated[Seconds, Field(description="how long one call to the provider may take")] = 10
    # It is part of every charge, and a charge that is repeated must repeat it.
    payment_return_url: Annotated[
        Annotated[str, AfterValidator(page_url)] | None,
        Field(
            description="where the customer comes back to after authenticating, needed unless the base is plain http; "
            "change it when no payment is open"
        ),
    ] = None
    stripe_account: Annotated[
        Annotated[str, AfterValidator(account_id)] | None,
        Field(description="our own account, acct_...: the one whose events may name an account"),
    ] = None

    @field_validator("payment_return_url")
    @classmethod
    def _is_there_for_stripe(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Only the sandbox is spoken to in plain HTTP; Stripe itself, and a proxy on the way to it, want TLS.
        if value is None and str(info.data.get("stripe_api_base", "")).startswith("https:"):
            raise not_set("without it Stripe gives no page for 3-D Secure")
        return value

    @property
    def own_events(self) -> OwnEvents:
        """Which of the provider's events are ours: those of this key's mode, and of our own account."""
        return OwnEvents(is_live(self.stripe_api_key), self.stripe_account)


class ReconcileSettings(Group):
    """How often the books are compared, and how far back. Read where runs are scheduled or started."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}RECONCILE_")

    every_seconds: Annotated[float, Field(ge=1, le=86_400, description="pause between two scheduled comparisons")] = 60
    window_hours: Annotated[
        float, Field(gt=0, le=24 * 90, description="how far back ended checkouts are compared; open ones always are")
    ] = 48


class WorkerSettings(Group):
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

    @field_validator("build_id")
    @classmethod
    def _goes_with_the_deployment(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "deployment_name" in info.data and bool(value) != bool(info.data["deployment_name"]):
            why = "set both CHECKOUT_WORKER_DEPLOYMENT_NAME and CHECKOUT_WORKER_BUILD_ID, or neither"
            raise ValueError(why) if value else not_set(why)
        return value


class ApiSettings(Group):
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
    api_max_requests: Annotated[int, Field(ge=1, le=10**6, description="requests of each kind served at once")] = 1000
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
        Annotated[str, AfterValidator(page_url)] | None,
        Field(description="Temporal's web UI, for the links that support gets"),
    ] = None

    _parse = field_validator("api_keys", mode="before")(parse_api_keys)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that an event may be signed with: while one is being replaced, the old and the new."""
        secrets = self.stripe_webhook_secret.get_secret_value().split(",")
        return tuple(stripped for secret in secrets if (stripped := secret.strip()))

    @property
    def timeouts(self) -> Timeouts:
        """What every checkout started here is told about waiting."""
        return Timeouts(self.payment_stuck_after_seconds, self.provider_timeout_seconds, self.payment_window_seconds)


class SupportSettings(Group):
    """Where the support commands find the API, and as whom they speak to it."""

    api_url: Annotated[
        Annotated[str, AfterValidator(base_url)] | None, Field(description="where the support commands find the API")
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
