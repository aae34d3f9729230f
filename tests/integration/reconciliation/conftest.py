"""Here the shop is the one whose servers are all real."""

import pytest

from tests.support.sandbox_shop import SandboxShop


@pytest.fixture
def shop(sandbox_shop: SandboxShop) -> SandboxShop:
    return sandbox_shop
