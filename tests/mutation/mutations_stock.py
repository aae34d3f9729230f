"""Mistakes with stock and with orders."""

from tests.mutation.mutation import Campaign, Edit, Mutation

_STOCK = "checkout/db/stock.py"
_ORDERS = "checkout/db/orders.py"
_CHECKOUTS = "checkout/db/checkouts.py"
_SCHEMA = "checkout/db/migrations/versions/0001_the_checkout.py"

MUTATIONS = (
    Mutation(
        "forgotten-release",
        "A reservation is marked as released, and its units are not given back to the shelf.",
        (Edit(_STOCK, "SET reserved = p.reserved - f.quantity, updated_at", "SET updated_at"),),
        cases=("reserve_stock-the_customer_cancels_in_its_middle",),
    ),
    Mutation(
        "released-twice",
        "An undo that runs again gives the same units back again.",
        (
            Edit(
                _STOCK,
                "WHERE checkout_id = :checkout_id AND status = 'held'\n        RETURNING",
                "WHERE checkout_id = :checkout_id AND status <> 'committed'\n        RETURNING",
            ),
        ),
        cases=("release_stock-bug-runs_twice",),
    ),
    Mutation(
        "no-tombstone",
        "An undo that finds no checkout leaves nothing behind, so that a step that comes late is carried out.",
        (
            Edit(
                _CHECKOUTS,
                """\
    INSERT INTO checkouts AS c (checkout_id, status, reason, actor)
    VALUES (:checkout_id, 'compensating', :reason, :actor)
    ON CONFLICT (checkout_id) DO UPDATE
    SET status = excluded.status, reason = excluded.reason, actor = excluded.actor
    WHERE c.status IN""",
                """\
    UPDATE checkouts SET status = 'compensating', reason = :reason, actor = :actor
    WHERE checkout_id = :checkout_id AND status IN""",
            ),
            Edit(_CHECKOUTS, ").scalar_one()", ").scalar_one_or_none()"),
        ),
        cases=("reserve_stock-returns_after_its_undo",),
    ),
    Mutation(
        "sold-stays-on-the-shelf",
        "A confirmed order's units are no longer reserved, and can be sold once more.",
        (
            Edit(
                _ORDERS,
                "SET on_hand = p.on_hand - s.quantity, reserved = p.reserved - s.quantity",
                "SET reserved = p.reserved - s.quantity",
            ),
        ),
        cases=("confirm_order-fails_after_its_effect",),
    ),
    Mutation(
        "unlocked-decrement",
        "Two carts read how much of an article is reserved, and each writes its own sum over the other's.",
        (
            Edit(_STOCK, "ORDER BY sku FOR NO KEY UPDATE\n", "ORDER BY sku\n"),
            Edit(
                _STOCK,
                "SET reserved = p.reserved + h.quantity, updated_at = now()\n        FROM held h WHERE p.sku = h.sku",
                "SET reserved = before.reserved + h.quantity, updated_at = now()\n"
                "        FROM held h JOIN products before USING (sku) WHERE p.sku = h.sku",
            ),
        ),
        campaign=Campaign("4 load-hot-sku load-burst"),
    ),
    Mutation(
        "shelf-counted-without-reservations",
        "What is on hand counts as free although others hold it, so the last unit is promised to all who come.",
        (Edit(_STOCK, "WHEN p.on_hand - p.reserved < w.quantity", "WHEN p.on_hand < w.quantity"),),
        campaign=Campaign("2 load-hot-sku"),
    ),
    Mutation(
        "total-of-the-client",
        "The order costs what the client expects it to, and not what the catalogue says.",
        (
            Edit(
                _ORDERS,
                "SELECT coalesce(sum(quantity::numeric * price_minor), 0) AS total_minor FROM priced",
                "SELECT coalesce(CAST(:expected_total_minor AS bigint), sum(quantity::numeric * price_minor), 0)"
                " AS total_minor FROM priced",
            ),
        ),
        cases=("cancel_order-price_changed-runs_twice",),
    ),
    Mutation(
        "cart-ordered-twice",
        "Nothing refuses a second live order of the same cart.",
        (Edit(_SCHEMA, "CREATE UNIQUE INDEX one_live_order_per_cart", "CREATE INDEX one_live_order_per_cart"),),
        campaign=Campaign("2 client-two-keys", checkouts=60),
    ),
    Mutation(
        "gaps-in-the-audit-log",
        "Changes of a status leave no line in the audit log; new rows alone do.",
        (Edit(_SCHEMA, "WHERE o.status <> n.status'", "WHERE false'"),),
        cases=("create_order-runs_twice",),
    ),
)
