"""The support routes: find a checkout, read its whole story, and act where a person has to."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from temporalio.client import WorkflowExecution

from api.http.auth import Keyring
from api.http.bodies import read_json_object
from api.http.cursors import CursorSeal, Place
from api.http.idempotency import derive_press
from api.http.problems import INVALID_QUERY, Problem
from api.http.responses import answer, render
from api.openapi.support_operations import (
    list_page,
    resolve_page,
    retry_page,
    show_page,
    support_cancel_page,
)
from api.storefront.schemas import CheckoutResponse, validate
from api.support.schemas import (
    ListedCheckout,
    ListQuery,
    ListResponse,
    ResolveBody,
    RetryBody,
    SupportCancelBody,
    SupportResponse,
)
from api.support.service import SupportDetail, SupportService, state_of
from api.temporal.snapshots import Snapshot
from checkout.config.settings import ApiSettings
from checkout.domain.commands import Cancel, ResolvePayment, RetryPayment
from checkout.domain.states import CheckoutStatus, PaymentStatus, Reason
from checkout.temporal.client import CHECKOUT_STATUS, CUSTOMER_ID, ORDER_NUMBER, PAYMENT_STATUS

_PLACE = "/v1/support/checkouts"


class SupportRoutes:
    """The handlers, with what they need."""

    def __init__(self, settings: ApiSettings, desk: SupportService) -> None:
        self._keys = Keyring(settings.api_keys)
        self._cursors = CursorSeal(settings.id_secret.get_secret_value().encode())
        self._desk = desk

    def router(self) -> APIRouter:
        """The routes of support."""
        router = APIRouter()
        one = f"{_PLACE}/{{id}}"
        router.add_api_route(_PLACE, self.find, methods=["GET"], **list_page())
        router.add_api_route(one, self.show, methods=["GET"], **show_page())
        router.add_api_route(f"{one}/retry-payment", self.retry_payment, methods=["POST"], **retry_page())
        router.add_api_route(f"{one}/resolve-payment", self.resolve_payment, methods=["POST"], **resolve_page())
        router.add_api_route(f"{one}/cancel", self.cancel, methods=["POST"], **support_cancel_page())
        return router

    async def find(self, request: Request) -> Response:
        """Checkouts, newest first."""
        self._keys.admit(request, "support")
        wanted = validate(ListQuery, _parameters(request), INVALID_QUERY)
        after = self._cursors.open(wanted.cursor, wanted.filters) if wanted.cursor is not None else None
        found, mismatches = await self._desk.find(wanted, after)
        page = found[: wanted.limit]
        more = len(found) > len(page)
        last = Place(page[-1].start_time, page[-1].id) if more else None
        body = ListResponse(
            checkouts=tuple([await self._listed(each) for each in page]),
            next_cursor=self._cursors.seal(last, wanted.filters) if last else None,
            mismatches=mismatches,
        )
        return _json(body.model_dump_json())

    async def show(self, request: Request) -> Response:
        """One checkout with everything that happened to it."""
        self._keys.admit(request, "support")
        dossier = await self._desk.look_up(request.path_params["id"])
        headers = {"Checkout-View": "stale"} if dossier.snapshot.is_stale else {}
        return _json(_support_answer(dossier).model_dump_json(), headers)

    async def retry_payment(self, request: Request) -> Response:
        """Have the stuck payment charged again."""
        actor = self._actor(request)
        body = validate(RetryBody, await read_json_object(request))
        order = RetryPayment(actor, body.reason, body.payment_method)
        press = derive_press("retry", actor, request)
        return _accepted(await self._desk.retry_payment(request.path_params["id"], order, press))

    async def resolve_payment(self, request: Request) -> Response:
        """Say what became of the stuck payment."""
        actor = self._actor(request)
        body = validate(ResolveBody, await read_json_object(request))
        order = ResolvePayment(actor, body.reason, body.outcome == "captured", body.provider_reference)
        press = derive_press("resolve", actor, request)
        return _accepted(await self._desk.resolve_payment(request.path_params["id"], order, press))

    async def cancel(self, request: Request) -> Response:
        """Have the checkout undone."""
        actor = self._actor(request)
        body = validate(SupportCancelBody, await read_json_object(request))
        order = Cancel(Reason.CANCELLED_BY_SUPPORT, actor, body.reason)
        press = derive_press("cancel", actor, request)
        return _accepted(await self._desk.cancel(request.path_params["id"], order, press))

    def _actor(self, request: Request) -> str:
        return f"support:{self._keys.admit(request, 'support').name}"

    async def _listed(self, execution: WorkflowExecution) -> ListedCheckout:
        published, memo = execution.typed_search_attributes, await execution.memo()
        return ListedCheckout(
            id=execution.id,
            status=CheckoutStatus(published.get(CHECKOUT_STATUS, CheckoutStatus.PROCESSING)),
            payment_status=PaymentStatus(published.get(PAYMENT_STATUS, PaymentStatus.NONE)),
            workflow=state_of(execution.status),
            customer_id=published.get(CUSTOMER_ID),
            order_number=published.get(ORDER_NUMBER),
            # A run that goes on for another began later than the checkout.
            created_at=memo.get("requested_at") or execution.start_time.isoformat(timespec="milliseconds"),
            ended_at=execution.close_time.isoformat(timespec="milliseconds") if execution.close_time else None,
            temporal_ui_url=self._desk.link(execution.id, execution.run_id),
        )


def _parameters(request: Request) -> dict[str, object]:
    """The query string.

    Raises:
        Problem: 422 for a parameter that is given twice.
    """
    pairs = request.query_params.multi_items()
    parameters: dict[str, object] = dict(pairs)
    if len(parameters) < len(pairs):
        raise Problem(INVALID_QUERY, "A parameter of the query string is given twice.")
    return parameters


def _support_answer(dossier: SupportDetail) -> SupportResponse:
    view = CheckoutResponse.model_validate(dossier.snapshot.view)
    return SupportResponse.model_validate(
        {
            **dict(view),
            "workflow": dossier.workflow,
            "can": dossier.can,
            "timeline": dossier.timeline,
            "temporal_ui_url": dossier.temporal_ui_url,
        }
    )


def _accepted(snapshot: Snapshot) -> Response:
    return answer(render(snapshot), 202, {"Location": f"{_PLACE}/{snapshot.view.id}"})


def _json(body: str, headers: Mapping[str, str] = {}) -> Response:
    # It names customers and changes at any time: no cache has any use for it.
    return Response(body, 200, {"Cache-Control": "no-store", **headers}, "application/json")
