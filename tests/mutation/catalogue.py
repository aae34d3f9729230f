"""Every mutation, those that the exhaustive tests find first."""

from collections.abc import Sequence

from tests.mutation import mutations_http, mutations_payments, mutations_saga, mutations_stock
from tests.mutation.mutation import Mutation

_ALL: tuple[Mutation, ...] = (
    *mutations_stock.MUTATIONS,
    *mutations_payments.MUTATIONS,
    *mutations_saga.MUTATIONS,
    *mutations_http.MUTATIONS,
)

MUTATIONS: dict[str, Mutation] = {
    mutation.name: mutation for mutation in sorted(_ALL, key=lambda mutation: not mutation.cases)
}


def named(names: Sequence[str]) -> list[Mutation]:
    """The mutations of these names; all when none is given.

    Raises:
        LookupError: there is no such mutation.
    """
    if unknown := sorted(set(names) - set(MUTATIONS)):
        raise LookupError(f"no such mutation: {', '.join(unknown)}; there are {', '.join(MUTATIONS)}")
    return [mutation for mutation in MUTATIONS.values() if not names or mutation.name in names]
