"""Mistakes in how HTTP requests become checkouts."""

from tests.mutation.mutation import Campaign, Edit, Mutation

_DESK = "api/storefront/service.py"
_IDEMPOTENCY = "api/http/idempotency.py"

MUTATIONS = (
    Mutation(
        "second-run",
        "A checkout that has ended can be started again under its id.",
        (
            Edit(
                _DESK,
                "id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE",
                "id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE",
            ),
        ),
        campaign=Campaign("3 client-other-body", checkouts=60),
    ),
    Mutation(
        "another-body-under-the-key",
        "A used idempotency key is accepted with another body, and the first one's checkout returned.",
        (Edit(_DESK, 'if memo.get("fingerprint") != ownership.fingerprint:', 'if "fingerprint" not in memo:'),),
        campaign=Campaign("2 client-other-body", checkouts=60),
    ),
    Mutation(
        "new-id-on-a-retry",
        "The checkout's id is random, so a client that asks again buys again.",
        (
            Edit(
                _IDEMPOTENCY,
                'hmac.digest(secret, message, "sha256")',
                'hmac.digest(secret, message + uuid.uuid4().bytes, "sha256")',
            ),
        ),
        campaign=Campaign("2 client-storm", checkouts=60),
    ),
)
