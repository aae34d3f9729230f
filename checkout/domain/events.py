"""Which of the provider's events are ours. One endpoint may be sent those of another mode or account as well."""

from dataclasses import dataclass
from typing import Final

from checkout.domain.messages import PaymentEvent


@dataclass(frozen=True)
class OwnEvents:
    """Those of our key's mode, and of our own account.

    ``account`` is its id. Only Connect's events name an account, the one in which something happened
    (https://docs.stripe.com/connect/webhooks); all others are of the account whose endpoint they were sent to.
    """

    is_live: bool = False
    account: str | None = None

    def include(self, event: PaymentEvent) -> bool:
        """Whether the event is ours. An API of the release before passes neither mode nor account on."""
        return event.livemode in (None, self.is_live) and event.account in (None, self.account)


#: What the sandbox and a key of test mode have sent to them.
OF_TEST_MODE: Final = OwnEvents(is_live=False)
