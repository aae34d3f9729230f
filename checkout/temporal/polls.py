"""How often a worker polls at once.

A task queue has four partitions unless the server is told otherwise, and only a task that meets a waiting poll is
handed over at once. By default one poll of five asks for new checkouts: theirs queued on disk in three partitions,
while younger ones passed them in the fourth, and the slowest took six times as long as the rest.
"""

from typing import Final

WORKFLOW_TASK_POLLS: Final = 20
#: The part of them that asks for new checkouts, and for those whose worker has died.
NEW_WORKFLOW_POLLS_PART: Final = 0.5
ACTIVITY_TASK_POLLS: Final = 10
