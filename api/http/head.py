"""HEAD, which every resource has that has GET (RFC 9110, section 9.1)."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadMiddleware:
    """Has a HEAD handled and counted as the GET of the same address: the same status and headers, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. The server leaves out the body, since its own scope still has the method HEAD."""
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
