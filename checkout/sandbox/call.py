"""One request to the provider, as the endpoints see it."""

from dataclasses import dataclass

from checkout.sandbox.cards import Then
from checkout.sandbox.errors import Json
from checkout.sandbox.form import Params
from checkout.sandbox.ledger import Ledger

MAX_AMOUNT = 999_999_999_999


@dataclass
class Call:
    """``params`` are checked for shape alone; ``name`` is the id in the path; ``now`` is Unix time in seconds;
    ``base_url`` is how the caller reaches us.

    An endpoint answers with an object, raises `ApiError`, and may say in ``then`` that the caller is not to see it.
    """

    ledger: Ledger
    params: Params
    now: float
    key: str | None = None
    name: str = ""
    base_url: str = ""
    then: Then = Then.ANSWER

    def put(self, kind: str, data: Json) -> None:
        """Tell the world what happened."""
        self.ledger.emit(kind, data, self.now)
