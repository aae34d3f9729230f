"""``checkout api``."""

import asyncio
from collections.abc import Callable

from api.server import serve
from checkout.config.settings import ApiSettings, TemporalSettings, load_all


def run_api() -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: settings are missing or malformed, or the port is in use.
    """
    api, temporal = load_all(ApiSettings, TemporalSettings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(api, temporal))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster event loop, where there is one: it does not exist for Windows."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop
