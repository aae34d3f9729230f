"""The names that Temporal's histories, lists and user interface show, and that workflows, API and commands share.

They are part of the contract with running workflows: whoever changes one of them breaks what is open.
"""

from typing import Final

from temporalio.common import SearchAttributeKey

TASK_QUEUE: Final = "checkout"

CHECKOUT_WORKFLOW: Final = "CheckoutWorkflow"
PAYMENT_EVENTS_WORKFLOW: Final = "PaymentEventsWorkflow"
RECONCILE_WORKFLOW: Final = "ReconcileWorkflow"
HOLD_WORKFLOW: Final = "ProviderHoldWorkflow"
#: There is one hold at a time, so the workflow has one id.
HOLD_WORKFLOW_ID: Final = "provider-hold"

#: To a checkout: the provider has sent an event about its payment.
PAYMENT_EVENT_SIGNAL: Final = "payment_event"
#: To a checkout that waits for the provider: payments are taken again.
RELEASED_SIGNAL: Final = "provider_released"

CHECKOUT_STATUS: Final = SearchAttributeKey.for_keyword("CheckoutStatus")
PAYMENT_STATUS: Final = SearchAttributeKey.for_keyword("PaymentStatus")
CUSTOMER_ID: Final = SearchAttributeKey.for_keyword("CustomerId")
ORDER_NUMBER: Final = SearchAttributeKey.for_keyword("OrderNumber")
SEARCH_ATTRIBUTES: Final = (CHECKOUT_STATUS, PAYMENT_STATUS, CUSTOMER_ID, ORDER_NUMBER)
