"""What Temporal has of checkouts, as the responses that support gets."""

from collections.abc import Mapping

from fastapi import Response
from pydantic import BaseModel
from temporalio.client import WorkflowExecution

from api.storefront.schemas import CheckoutResponse
from api.support.schemas import ListedCheckout, SupportResponse
from api.support.service import SupportDetail, SupportService, state_of
from checkout.domain.states import CheckoutStatus, PaymentStatus
from checkout.temporal.names import CHECKOUT_STATUS, CUSTOMER_ID, ORDER_NUMBER, PAYMENT_STATUS


async def listed(execution: WorkflowExecution, service: SupportService) -> ListedCheckout:
    """A checkout as Temporal's visibility store has it."""
    published, memo = execution.typed_search_attributes, await execution.memo()
    return ListedCheckout(
        id=execution.id,
        status=CheckoutStatus(published.get(CHECKOUT_STATUS, CheckoutStatus.PROCESSING)),
        payment_status=PaymentStatus(published.get(PAYMENT_STATUS, PaymentStatus.NONE)),
        workflow=state_of(execution.status),
        customer_id=published.get(CUSTOMER_ID),
        order_number=published.get(ORDER_NUMBER),
        # A run that continues another began later than the checkout.
        created_at=memo.get("requested_at") or execution.start_time.isoformat(timespec="milliseconds"),
        ended_at=execution.close_time.isoformat(timespec="milliseconds") if execution.close_time else None,
        temporal_ui_url=service.link(execution.id, execution.run_id),
    )


def with_timeline(detail: SupportDetail) -> SupportResponse:
    """A checkout with everything that support sees of it."""
    view = CheckoutResponse.model_validate(detail.snapshot.view)
    return SupportResponse.model_validate(
        {
            **dict(view),
            "workflow": detail.workflow,
            "can": detail.can,
            "timeline": detail.timeline,
            "temporal_ui_url": detail.temporal_ui_url,
        }
    )


def uncached(body: BaseModel, headers: Mapping[str, str] = {}) -> Response:
    """A JSON response that no cache may keep: it names customers, and changes at any time."""
    return Response(body.model_dump_json(), 200, {"Cache-Control": "no-store", **headers}, "application/json")
