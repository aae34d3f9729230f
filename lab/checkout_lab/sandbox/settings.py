"""The settings of the sandbox provider. Any of them may be left out."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from checkout.config.loading import PREFIX, Group
from checkout.config.values import Port, page_url


class SandboxSettings(Group):
    """How the sandbox payment provider runs. For development and tests only."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}SANDBOX_")

    host: Annotated[str, Field(description="where the sandbox provider listens")] = "127.0.0.1"
    port: Annotated[Port, Field(description="port of the sandbox provider")] = 12111
    ledger: Annotated[Path, Field(description="the file of its ledger")] = Path("sandbox-ledger.sqlite")
    webhook_url: Annotated[
        Annotated[str, AfterValidator(page_url)] | None,
        Field(description="where it sends its events; none: it sends none"),
    ] = None
    webhook_secret: Annotated[SecretStr | None, Field(description="what it signs its events with, whsec_...")] = None
