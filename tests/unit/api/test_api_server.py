"""The API's process: its port, and a clear line when it cannot have it."""

import pytest

from api.server import listen
from checkout.domain.errors import ConfigurationError


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} on 127.0.0.1 is in use; set CHECKOUT_API_PORT"):
            listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_named_with_its_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1.*CHECKOUT_API_HOST"):
        listen("192.0.2.1", 0)
