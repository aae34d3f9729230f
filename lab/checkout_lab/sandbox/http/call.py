"""One request to the provider, as the endpoints see it."""

from dataclasses import dataclass, field
from enum import Enum, auto

from checkout_lab.sandbox.errors import Json, no_such
from checkout_lab.sandbox.events.outbox import emit
from checkout_lab.sandbox.faults import Faults
from checkout_lab.sandbox.http.form import Params
from checkout_lab.sandbox.ledger.ledger import SandboxLedger, Table
from checkout_lab.sandbox.ledger.owner import OWN_TEST, is_live, other_mode

MAX_AMOUNT = 999_999_999_999


class Delivery(Enum):
    """What the caller gets to see of an executed request."""

    RESPOND = auto()
    DROP = auto()  # the connection is closed without a response; the saved response is the true one
    FAIL = auto()  # the response is a 500, and so is the saved one
    HANG = auto()  # nothing comes until the caller gives up


@dataclass
class SandboxCall:
    """``params`` are checked for shape alone; ``name`` is the id in the path; ``now`` is Unix time in seconds;
    ``base_url`` is how the caller reaches us, ``owner`` whose key it showed, ``faults`` what goes wrong now.

    An endpoint returns an object, raises `ApiError`, and may say in ``delivery`` that the caller is not to see it.
    """

    ledger: SandboxLedger
    params: Params
    now: float
    key: str | None = None
    name: str = ""
    base_url: str = ""
    owner: str = OWN_TEST
    faults: Faults = field(default_factory=Faults)
    delivery: Delivery = Delivery.RESPOND

    def put(self, kind: str, data: Json) -> None:
        """Write an event about what happened."""
        emit(self.ledger, kind, data, self.now)

    def need(self, table: Table, what: str, name: str, param: str) -> Json:
        """The object with this id, if it is the caller's.

        Raises:
            ApiError: it is not there, for this caller. Of the account's other mode Stripe says more.
        """
        found = self.ledger.get(table, name, self.owner)
        if found is not None:
            return found
        there = self.ledger.get(table, name, other_mode(self.owner)) is not None
        raise no_such(what, name, param, 404, hint=_WRONG_MODE[is_live(self.owner)] if there else "")


_WRONG_MODE = {
    live: f"; a similar object exists in {there} mode, but a {key} mode key was used to make this request."
    for live, there, key in ((True, "test", "live"), (False, "live", "test"))
}
