"""The provider's events: what they say, which of them are this shop's, and what comes of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class EventOutcome(StrEnum):
    """What came of an event."""

    FOREIGN = "foreign"
    UNMATCHED = "unmatched"
    KNOWN = "known"
    APPLIED = "applied"
    #: The next ones are of checkouts that have ended.
    REFUNDED = "refunded"
    NOTHING_HELD = "nothing_held"
    NOT_ENDED = "not_ended"
    NOT_OURS = "not_ours"


@dataclass(frozen=True)
class PaymentEvent:
    """A provider's notification, as far as it concerns us. A hint to look again; never a fact by itself.

    ``created`` is Unix time in seconds. ``livemode`` and ``account`` tell whether it is ours; None: the event says not.
    """

    event_id: str
    type: str
    provider_reference: str
    checkout_id: str | None
    created: int
    livemode: bool | None = None
    account: str | None = None


@dataclass(frozen=True)
class EventMatch:
    """The checkout that an event concerns, None while there is none; ``is_known``: it tells nothing new.

    ``is_foreign``: it is of another mode or account, and concerns no checkout, whichever it names.
    """

    checkout_id: str | None = None
    is_known: bool = False
    is_foreign: bool = False


@dataclass(frozen=True)
class OwnEvents:
    """Those of our key's mode, and of our own account.

    ``account`` is its id. Only Connect's events name an account, the one in which something happened
    (https://docs.stripe.com/connect/webhooks); all others are of the account whose endpoint they were sent to.
    """

    is_live: bool = False
    account: str | None = None

    def include(self, event: PaymentEvent) -> bool:
        """Whether the event is ours. The webhook takes events that name no mode as well."""
        return event.livemode in (None, self.is_live) and event.account in (None, self.account)


#: The types of Stripe's events that tell of a capture (https://docs.stripe.com/api/events/types).
CAPTURE_TYPES: Final = frozenset({"payment_intent.succeeded"})

#: What the sandbox and a key of test mode have sent to them.
OF_TEST_MODE: Final = OwnEvents(is_live=False)
