"""``python -m tests.replay.other_release``: the worker of a release whose workflows have one timer more.

All else is the product's own worker, settings and all. What an open workflow of today's release asks for does not fit
it, and the other way round.
"""

from typing import Any
from unittest.mock import patch

from temporalio.client import Client

import worker
from checkout.temporal.client import connect
from tests.replay.changed import ONE_MORE_TIMER


async def connect_as_the_other_release(*args: Any, **options: Any) -> Client:
    """What a worker does with this client it does with the change."""
    config = (await connect(*args, **options)).config()
    config["interceptors"] = [ONE_MORE_TIMER]
    return Client(**config)


if __name__ == "__main__":
    with patch("worker.connect", connect_as_the_other_release):
        worker.run()
