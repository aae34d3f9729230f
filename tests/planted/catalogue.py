"""Every planted bug, those that the exhaustive tests catch first."""

from collections.abc import Sequence

from tests.planted import bugs_http, bugs_payments, bugs_saga, bugs_stock
from tests.planted.bug import Bug

_ALL: tuple[Bug, ...] = (*bugs_stock.BUGS, *bugs_payments.BUGS, *bugs_saga.BUGS, *bugs_http.BUGS)

BUGS: dict[str, Bug] = {bug.name: bug for bug in sorted(_ALL, key=lambda bug: not bug.cases)}


def named(names: Sequence[str]) -> list[Bug]:
    """The bugs of these names; all when none is given.

    Raises:
        LookupError: there is no such bug.
    """
    if unknown := sorted(set(names) - set(BUGS)):
        raise LookupError(f"no such bug: {', '.join(unknown)}; there are {', '.join(BUGS)}")
    return [bug for bug in BUGS.values() if not names or bug.name in names]
