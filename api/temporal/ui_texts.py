"""What an operator reads in the Temporal UI about a workflow that the API has started."""

import re
from collections.abc import Sequence
from typing import Final

from checkout.domain.events import PaymentEvent
from checkout.domain.messages import CheckoutRequest

#: Temporal keeps 400 bytes of a summary; one line of a list shows fewer.
MAX_SUMMARY_CHARACTERS: Final = 160
_NAMED_LINES: Final = 3
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


def static_summary(request: CheckoutRequest) -> str:
    """One sentence, such as ``Checkout of customer cus_42: 2 x MUG-WHITE, EUR``."""
    named = [f"{line.quantity} {_TIMES} {_plain(line.sku)}" for line in request.lines[:_NAMED_LINES]]
    unnamed = len(request.lines) - len(named)
    goods = ", ".join(named) + (f" and {unnamed} more" if unnamed else "")
    text = f"Checkout of customer {_plain(request.customer_id)}: {goods}, {request.currency}"
    return _shortened(text)


def events_summary(events: Sequence[PaymentEvent]) -> str:
    """One line, such as ``payment_intent.succeeded of pi_1, checkout chk_7`` or ``2 events: evt_1, evt_2``."""
    if len(events) == 1:
        [event] = events
        return f"{event.type} of {event.provider_reference}, checkout {event.checkout_id or 'not named'}"
    return _shortened(f"{len(events)} events: {', '.join(event.event_id for event in events)}")


def static_details(request: CheckoutRequest) -> str:
    """A few lines of Markdown: whose it is, and what may be done with it."""
    cart = f", cart {_plain(request.cart_id)}" if request.cart_id else ""
    return (
        f"Customer {_plain(request.customer_id)}{cart}, {len(request.lines)} article(s), "
        f"paid with {_plain(request.payment_method)}.\n\n"
        "* **Cancel** undoes it: the money is refunded, the order is cancelled, the stock is released.\n"
        "* **Terminate** undoes nothing: stock stays held and money stays taken. Never use it.\n"
        "* The *current details* say what is going on. Retries are automatic."
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SUMMARY_CHARACTERS else text[: MAX_SUMMARY_CHARACTERS - 1] + "…"


def _plain(text: str) -> str:
    # The UI renders Markdown, and a customer's id must not become a link there.
    return re.sub(r"[^\w.@+-]", "?", text, flags=re.ASCII)
