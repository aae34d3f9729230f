"""Ends with 0 when the URL returns 200, for health checks in an image that has no curl.

It knows nothing of the checkout, and looks at no proxy: it is only ever pointed at its own container.
"""

import http.client
import sys
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 4


def main(url: str) -> int:
    """Ask once; anything but a 200 in time is a failure with a line that says what came instead."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        text = f"{response.status} {response.read(300).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        response, text = None, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    sys.stdout.write(f"{text}\n")
    return 0 if response is not None and response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
