"""A client of the API without any Temporal behind it."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from api.app import create_app
from tests.support.api_process import api_settings
from tests.support.declared_problems import declares_every_problem


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)
    app = create_app(api_settings(), nowhere)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks: dict[str, Any] = {"response": [declares_every_problem(app)]}
    async with httpx.AsyncClient(transport=transport, base_url="http://api", event_hooks=hooks) as client:
        yield client
