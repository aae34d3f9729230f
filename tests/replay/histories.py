"""The recorded histories: how one is written and read, and what it tells of its workflow.

A file has Temporal's own JSON, as ``temporal workflow show --output json`` prints it, one event a line. What would tell
of the machine that recorded it, and differs from one to the next, is taken out.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from checkout.domain.states import CheckoutStatus, Reason
from checkout.temporal.names import CHECKOUT_STATUS
from workflows.checkout import CheckoutWorkflow

DIRECTORY = Path(__file__).parent.parent / "histories"
CHECKOUT = CheckoutWorkflow.__name__

_CLOSED = frozenset(
    f"EVENT_TYPE_WORKFLOW_EXECUTION_{end}"
    for end in ("COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT", "CONTINUED_AS_NEW")
)

#: How a workflow ends: its status, and the reason if it is not a happy end.
Ending = tuple[CheckoutStatus, Reason | None]

#: What tells of the machine and its moment, and nothing that a replay looks at.
_LEFT_OUT = frozenset({"stackTrace", "workerVersion", "taskId", "requestId", "meteringMetadata", "historySizeBytes"})


@dataclass(frozen=True)
class RecordedHistory:
    """One history, by the name of its file."""

    name: str
    history: WorkflowHistory

    @property
    def workflow_type(self) -> str:
        """Whose it is."""
        return self.history.events[0].workflow_execution_started_event_attributes.workflow_type.name

    @property
    def is_open(self) -> bool:
        """Whether the workflow was still under way."""
        return EventType.Name(self.history.events[-1].event_type) not in _CLOSED

    @property
    def is_continued(self) -> bool:
        """Whether another run goes on with it."""
        return self.history.events[-1].HasField("workflow_execution_continued_as_new_event_attributes")

    def result(self) -> Any:
        """The result of a completed workflow, as plain JSON; None for any other."""
        last = self.history.events[-1]
        if not last.HasField("workflow_execution_completed_event_attributes"):
            return None
        (payload,) = last.workflow_execution_completed_event_attributes.result.payloads
        return json.loads(payload.data)

    def ending(self) -> Ending | None:
        """How a checkout ended; None for one that has not."""
        if view := self.result():
            return CheckoutStatus(view["status"]), Reason(view["reason"]) if view["reason"] else None
        last = self.history.events[-1]
        if not last.HasField("workflow_execution_failed_event_attributes"):
            return None
        failure = last.workflow_execution_failed_event_attributes.failure.application_failure_info
        assert failure.type == "Bug", failure
        return CheckoutStatus.CANCELLED, Reason.INTERNAL_ERROR

    def status(self) -> CheckoutStatus:
        """The state that an open checkout has published last; the first one is published by nobody."""
        published = [
            CheckoutStatus(json.loads(attributes.indexed_fields[CHECKOUT_STATUS.name].data))
            for event in self.history.events
            for attributes in [event.upsert_workflow_search_attributes_event_attributes.search_attributes]
            if CHECKOUT_STATUS.name in attributes.indexed_fields
        ]
        return published[-1] if published else CheckoutStatus.PROCESSING

    def messages(self) -> set[str]:
        """The updates and signals that the workflow was sent."""
        updates = {
            event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name
            for event in self.history.events
        }
        signals = {event.workflow_execution_signaled_event_attributes.signal_name for event in self.history.events}
        return (updates | signals) - {""}

    def text(self) -> str:
        """Everything that the file says, payloads included."""
        file = path_of(self.name).read_text()
        payloads = re.findall(r'"data":"([^"]*)"', file)
        return "\n".join([file, *(base64.b64decode(payload).decode() for payload in payloads)])


def path_of(name: str) -> Path:
    """Where the history of this name is."""
    return DIRECTORY / f"{name}.json"


def write(name: str, history: WorkflowHistory) -> None:
    """Keep a history under this name."""
    events = [json.dumps(_cleaned(event), separators=(",", ":")) for event in history.to_json_dict()["events"]]
    path_of(name).write_text('{"events":[\n' + ",\n".join(events) + "\n]}\n")


def read(name: str) -> RecordedHistory:
    """The history of this name."""
    events = json.loads(path_of(name).read_text())
    started = events["events"][0]["workflowExecutionStartedEventAttributes"]
    return RecordedHistory(name, WorkflowHistory.from_json(started["workflowId"], events))


def names() -> list[str]:
    """Every name there is, of today's recording."""
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


def names_of_releases() -> list[str]:
    """Every name of an earlier release that is kept because its open checkouts have to fit, as ``0.1.0/confirmed``."""
    return sorted(str(path.relative_to(DIRECTORY).with_suffix("")) for path in DIRECTORY.glob("*/*.json"))


def _cleaned(value: Any) -> Any:
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return dict(_cleaned_fields(value))
    return value


def _cleaned_fields(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    is_sticky = fields.get("kind") == "TASK_QUEUE_KIND_STICKY"
    for name, value in fields.items():
        if is_sticky and name == "name":
            yield name, "sticky"
        elif name == "identity" and value:
            yield name, "recorder"
        elif name not in _LEFT_OUT:
            yield name, _cleaned(value)
