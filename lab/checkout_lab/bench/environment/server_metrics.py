"""What the Temporal server counts of itself: the calls that it served, and what it asked of its own database."""

from collections import Counter
from typing import Final

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from checkout_lab.bench.errors import BenchError
from checkout_lab.stack.processes.ports import HOST

#: How often the server brings its metrics up to date.
REPORT_SECONDS: Final = 1.1
#: What is counted -> the server's metric, the labels that it must have, and the operations that come with the work.
#: Others (long polls, heartbeats, caches that are renewed) come with the time.
_COUNTERS: Final = {
    "temporal_calls": (
        "service_requests",
        {"service_name": "frontend"},
        frozenset(
            "StartWorkflowExecution SignalWithStartWorkflowExecution SignalWorkflowExecution QueryWorkflow "
            "UpdateWorkflowExecution PollWorkflowExecutionUpdate ExecuteMultiOperation PollWorkflowExecutionHistory "
            "GetWorkflowExecutionHistory DescribeWorkflowExecution RespondWorkflowTaskCompleted "
            "RespondWorkflowTaskFailed RespondActivityTaskCompleted RespondActivityTaskFailed "
            "RecordActivityTaskHeartbeat".split()
        ),
    ),
    "temporal_persistence": (
        "persistence_requests",
        {},
        frozenset("CreateWorkflowExecution UpdateWorkflowExecution GetWorkflowExecution CreateTasks".split()),
    ),
}

#: ``temporal_calls`` and ``temporal_persistence`` by operation.
Counts = dict[str, Counter[str]]


class ServerMetrics:
    """The metrics of a development server, which serves them on a port that it chooses itself."""

    def __init__(self, url: str) -> None:
        self._url = url

    @classmethod
    async def find(cls, pid: int) -> "ServerMetrics":
        """Those of the server that is this process.

        Raises:
            BenchError: none of its ports serves them.
        """
        listening = {
            connection.laddr[1]
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        for port in sorted(listening):
            url = f"http://{HOST}:{port}/metrics"
            if "service_requests" in await _text(url):
                return cls(url)
        raise BenchError(f"the Temporal server (pid {pid}) serves its metrics on none of its ports")

    async def read(self) -> Counts:
        """How often each operation was asked for since the server's start."""
        counts: Counts = {name: Counter() for name in _COUNTERS}
        families = text_string_to_metric_families(await _text(self._url))
        samples = [sample for family in families for sample in family.samples]
        for name, (metric, labels, operations) in _COUNTERS.items():
            for sample in samples:
                # The parser gives counters their suffix, whether the server does or not.
                known = sample.name.removesuffix("_total") == metric and labels.items() <= sample.labels.items()
                if known and sample.labels["operation"] in operations:
                    counts[name][sample.labels["operation"]] += int(sample.value)
        return counts


async def _text(url: str) -> str:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            response = await client.get(url)
            return response.text if response.is_success else ""
    except httpx.HTTPError:
        # A port that speaks another protocol.
        return ""
