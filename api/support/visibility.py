"""Lists of checkouts from Temporal's visibility store, newest first.

On SQL databases the store has no ORDER BY: it lists open workflows first, then closed ones, the last closed first. So a
page is selected by time: a window that ends where the page begins and holds enough checkouts to fill it, few enough to
be sorted here. A checkout that starts meanwhile comes before the window, so no page repeats or misses one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import Client, WorkflowExecution

from api.support.cursors import CursorPosition
from api.support.schemas import ListQuery
from api.temporal.calls import CALL_SECONDS
from checkout.temporal.names import CHECKOUT_STATUS, CHECKOUT_WORKFLOW, CUSTOMER_ID, ORDER_NUMBER

#: More than this many are not fetched and sorted for one page.
MAX_SORTED: Final = 500
_FIRST_SPAN: Final = timedelta(minutes=1)
_SHORTEST_SPAN: Final = timedelta(milliseconds=1)
_BEFORE_ALL: Final = datetime(2020, 1, 1, tzinfo=UTC)
_CALL_TIMEOUT: Final = timedelta(seconds=CALL_SECONDS)
_FILTERS: Final = ((CHECKOUT_STATUS, "status"), (CUSTOMER_ID, "customer_id"), (ORDER_NUMBER, "order_number"))


def quoted(value: str) -> str:
    """A string literal of Temporal's list filters; the value cannot end it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def is_of_type(workflow_type: str) -> str:
    """The term of a list filter for workflows of this type."""
    return f"WorkflowType = {quoted(workflow_type)}"


@dataclass(frozen=True)
class Window:
    """Checkouts that match, started at ``since`` or later, and before ``until`` (``including`` it on a later page)."""

    wanted: ListQuery
    since: datetime
    until: datetime | None
    including: bool = False

    def filter(self) -> str:
        """The list filter, in Temporal's syntax."""
        return " AND ".join(self._terms())

    def _terms(self) -> Iterator[str]:
        yield is_of_type(CHECKOUT_WORKFLOW)
        yield "ExecutionStatus != 'ContinuedAsNew'"  # The next run of the same checkout is listed instead.
        for key, name in _FILTERS:
            value = getattr(self.wanted, name)
            if value is not None:
                yield f"{key.name} = {quoted(value)}"
        yield f"StartTime >= {quoted(self.since.isoformat())}"
        if self.until:
            yield f"StartTime {'<=' if self.including else '<'} {quoted(self.until.isoformat())}"


class CheckoutList:
    """Reads the visibility store, with one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def newest(self, wanted: ListQuery, after: CursorPosition | None) -> list[WorkflowExecution]:
        """The page after the position, and one checkout more if there is one.

        Raises:
            RPCError: Temporal cannot be reached.
        """
        since = wanted.since or _BEFORE_ALL
        whole = Window(wanted, since, after.started_at if after else wanted.until, including=after is not None)
        window = await self._narrowed(whole, wanted.limit + 1 + await self._ties(whole))
        rows = [(position_of(each), each) for each in await self._fetch(window) if is_wanted(each, wanted)]
        rows.sort(key=lambda row: row[0], reverse=True)
        return [each for position, each in rows if after is None or position < after][: wanted.limit + 1]

    async def _ties(self, whole: Window) -> int:
        """How many of the window have the start time at which the page begins; some were on the page before."""
        if not whole.including or whole.until is None:
            return 0
        return await self._count(replace(whole, since=whole.until))

    async def _narrowed(self, whole: Window, enough: int) -> Window:
        """The newest part of the window with enough in it, and not many more than can be sorted."""
        if await self._count(whole) <= MAX_SORTED:
            return whole
        begins = min(whole.until or datetime.now(UTC), datetime.now(UTC))
        shorter, span = timedelta(0), _FIRST_SPAN
        while begins - span > whole.since:
            narrower = replace(whole, since=begins - span)
            count = await self._count(narrower)
            if count >= enough:
                return narrower if count <= MAX_SORTED else await self._between(whole, begins, shorter, span, enough)
            shorter, span = span, span * 4
        return await self._between(whole, begins, shorter, begins - whole.since, enough)

    async def _between(
        self, whole: Window, begins: datetime, shorter: timedelta, longer: timedelta, enough: int
    ) -> Window:
        """Halve the difference: ``longer`` holds enough and too many, ``shorter`` too few."""
        while longer - shorter > _SHORTEST_SPAN:
            middle = shorter + (longer - shorter) / 2
            count = await self._count(replace(whole, since=begins - middle))
            if enough <= count <= MAX_SORTED:
                return replace(whole, since=begins - middle)
            shorter, longer = (middle, longer) if count < enough else (shorter, middle)
        return replace(whole, since=begins - longer)

    async def _count(self, window: Window) -> int:
        return (await self._client.count_workflows(window.filter(), rpc_timeout=_CALL_TIMEOUT)).count

    async def _fetch(self, window: Window) -> list[WorkflowExecution]:
        found = self._client.list_workflows(window.filter(), page_size=MAX_SORTED, rpc_timeout=_CALL_TIMEOUT)
        return [execution async for execution in found]


def is_wanted(execution: WorkflowExecution, wanted: ListQuery) -> bool:
    """Whether the row has exactly the values of the filters, however Temporal has read them."""
    published = execution.typed_search_attributes
    values = [(key, getattr(wanted, name)) for key, name in _FILTERS]
    return all(value is None or published.get(key) == value for key, value in values)


def position_of(execution: WorkflowExecution) -> CursorPosition:
    """The position of the checkout in the list."""
    return CursorPosition(execution.start_time, execution.id)
