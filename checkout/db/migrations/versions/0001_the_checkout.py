"""The tables of a checkout, and the rules that no program can break.

Revision ID: 0001
Revises: none
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE products (
    sku          text PRIMARY KEY CHECK (length(sku) BETWEEN 1 AND 64),
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    price_minor  bigint NOT NULL CHECK (price_minor BETWEEN 0 AND 999999999999),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    on_hand      bigint NOT NULL,
    reserved     bigint NOT NULL DEFAULT 0,
    received     bigint NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_is_never_oversold CHECK (0 <= reserved AND reserved <= on_hand),
    CONSTRAINT stock_was_received CHECK (on_hand <= received AND received <= 1000000000000)
);
COMMENT ON COLUMN products.received IS 'all units ever received: on_hand plus those of committed reservations';

-- One row a checkout: its lock, its tombstone, and what is left of it when Temporal has forgotten.
CREATE TABLE checkouts (
    checkout_id  text PRIMARY KEY CHECK (length(checkout_id) BETWEEN 1 AND 64),
    status       text NOT NULL CHECK (status IN ('processing', 'awaiting_payment', 'payment_stuck', 'compensating',
                                                 'compensation_stuck', 'confirmed', 'rejected', 'cancelled')),
    customer_id  text,
    cart_id      text,
    currency     text,
    reason       text,
    actor        text NOT NULL DEFAULT 'workflow',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT an_ending_without_an_order_has_a_reason CHECK
        (status NOT IN ('compensating', 'compensation_stuck', 'rejected', 'cancelled') OR reason IS NOT NULL),
    CONSTRAINT only_a_tombstone_has_no_customer CHECK
        (status IN ('compensating', 'compensation_stuck', 'cancelled', 'rejected')
         OR (customer_id IS NOT NULL AND currency IS NOT NULL))
);

CREATE INDEX checkouts_under_way ON checkouts (updated_at) WHERE status NOT IN ('confirmed', 'rejected', 'cancelled');
CREATE INDEX checkouts_by_change ON checkouts (updated_at, checkout_id);

CREATE TABLE reservations (
    checkout_id  text NOT NULL REFERENCES checkouts,
    sku          text NOT NULL REFERENCES products,
    quantity     bigint NOT NULL CHECK (quantity > 0),
    status       text NOT NULL CHECK (status IN ('held', 'committed', 'released')),
    reason       text,
    actor        text NOT NULL DEFAULT 'workflow',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (checkout_id, sku)
);
CREATE INDEX reservations_held_by_sku ON reservations (sku) INCLUDE (quantity) WHERE status = 'held';
CREATE INDEX reservations_committed_by_sku ON reservations (sku) INCLUDE (quantity) WHERE status = 'committed';

CREATE TABLE orders (
    order_number text PRIMARY KEY CHECK (order_number ~ '^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$'),
    checkout_id  text NOT NULL UNIQUE REFERENCES checkouts,
    customer_id  text NOT NULL,
    cart_id      text,
    status       text NOT NULL CHECK (status IN ('pending', 'confirmed', 'cancelled')),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total_minor  bigint NOT NULL CHECK (total_minor BETWEEN 0 AND 999999999999),
    reason       text,
    actor        text NOT NULL DEFAULT 'workflow',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_live_order_per_cart ON orders (cart_id) WHERE cart_id IS NOT NULL AND status <> 'cancelled';
CREATE INDEX orders_by_customer ON orders (customer_id, created_at DESC);

CREATE TABLE order_lines (
    order_number     text NOT NULL REFERENCES orders,
    sku              text NOT NULL REFERENCES products,
    name             text NOT NULL,
    quantity         bigint NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_number, sku)
);

CREATE TABLE payments (
    checkout_id        text NOT NULL REFERENCES orders (checkout_id),
    attempt            integer NOT NULL CHECK (attempt >= 1),
    idempotency_key    text NOT NULL UNIQUE,
    payment_method     text NOT NULL,
    provider_reference text,
    provider_charge    text,
    amount_minor       bigint NOT NULL CHECK (amount_minor BETWEEN 1 AND 999999999999),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    captured_minor     bigint CHECK (captured_minor >= 0),
    captured_currency  text,
    status             text NOT NULL CHECK (status IN ('processing', 'requires_action', 'pending', 'captured',
                                                       'declined', 'unknown', 'refunding', 'refunded', 'voided')),
    decline_code       text,
    reason             text,
    actor              text NOT NULL DEFAULT 'workflow',
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (checkout_id, attempt),
    CONSTRAINT what_was_taken_is_known CHECK
        (status NOT IN ('captured', 'refunding', 'refunded')
         OR (provider_reference IS NOT NULL AND captured_minor IS NOT NULL AND captured_currency IS NOT NULL))
);
-- The heart of "never charged twice": while one try is open or has succeeded, there cannot be another.
CREATE UNIQUE INDEX one_live_payment_per_checkout ON payments (checkout_id)
    WHERE status IN ('processing', 'requires_action', 'pending', 'captured', 'unknown', 'refunding');
CREATE INDEX payments_by_reference ON payments (provider_reference);
CREATE INDEX payments_captured ON payments (created_at) WHERE status = 'captured';

CREATE TABLE refunds (
    checkout_id        text NOT NULL,
    attempt            integer NOT NULL,
    idempotency_key    text NOT NULL UNIQUE,
    provider_reference text,
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status             text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    reason             text,
    actor              text NOT NULL DEFAULT 'workflow',
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (checkout_id, attempt),
    FOREIGN KEY (checkout_id, attempt) REFERENCES payments
);

-- The inbox: what the provider told us, once each. A hint to look again; never a fact by itself.
CREATE TABLE payment_events (
    event_id           text PRIMARY KEY CHECK (length(event_id) BETWEEN 1 AND 255),
    type               text NOT NULL,
    provider_reference text NOT NULL,
    checkout_id        text,
    status             text NOT NULL CHECK (status IN ('applied', 'unmatched')),
    created_at         timestamptz NOT NULL,
    received_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX payment_events_by_checkout ON payment_events (checkout_id);
CREATE INDEX payment_events_unmatched ON payment_events (received_at) WHERE status = 'unmatched';

CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    checkout_id text NOT NULL,
    entity      text NOT NULL,
    entity_key  text NOT NULL,
    before      text,
    after       text NOT NULL,
    actor       text NOT NULL,
    reason      text
);
CREATE INDEX audit_log_by_checkout ON audit_log (checkout_id, id);
"""

RULES = """
-- Arguments: the allowed transitions, as 'before>after'; 'before' is empty for a new row.
CREATE FUNCTION refuse_other_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    transition text := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status ELSE '' END || '>' || NEW.status;
BEGIN
    IF NOT transition = ANY (TG_ARGV) THEN
        RAISE EXCEPTION '% of checkout %: the transition % is not allowed', TG_TABLE_NAME, NEW.checkout_id, transition
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := now();
    RETURN NEW;
END $$;

-- Every change of a status leaves a line in the audit log, whoever makes it and from wherever. The key is the part of
-- the primary key that tells the row from others of its checkout.
CREATE FUNCTION audit_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO audit_log (checkout_id, entity, entity_key, before, after, actor, reason) '
        || CASE WHEN TG_OP = 'INSERT'
           THEN 'SELECT n.checkout_id, %1$L, n.%2$I::text, NULL, n.status, n.actor, n.reason FROM new_rows n'
           ELSE 'SELECT n.checkout_id, %1$L, n.%2$I::text, o.status, n.status, n.actor, n.reason FROM new_rows n '
                'JOIN old_rows o ON o.checkout_id = n.checkout_id AND o.%2$I = n.%2$I WHERE o.status <> n.status'
           END, TG_ARGV[0], TG_ARGV[1]);
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: rows are only ever added', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'check_violation';
END $$;

-- At the end of a transaction that ended a checkout, stock, order and money have to agree.
CREATE FUNCTION an_ending_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'confirmed' AND (
        NOT EXISTS (SELECT FROM checkouts c WHERE c.checkout_id = NEW.checkout_id AND c.status = 'confirmed')
        OR NOT EXISTS (
            SELECT FROM orders o WHERE o.checkout_id = NEW.checkout_id AND o.status = 'confirmed'
            AND (o.total_minor = 0 OR EXISTS (
                SELECT FROM payments p WHERE p.checkout_id = o.checkout_id AND p.status = 'captured'
                AND p.captured_minor = o.total_minor AND p.captured_currency = o.currency)))
        OR EXISTS (SELECT FROM reservations r WHERE r.checkout_id = NEW.checkout_id AND r.status <> 'committed'))
    OR NEW.status IN ('rejected', 'cancelled') AND TG_TABLE_NAME = 'checkouts' AND (
        EXISTS (SELECT FROM reservations r WHERE r.checkout_id = NEW.checkout_id AND r.status <> 'released')
        OR EXISTS (SELECT FROM orders o WHERE o.checkout_id = NEW.checkout_id AND o.status <> 'cancelled'))
    OR NEW.status IN ('rejected', 'cancelled') AND EXISTS (
        SELECT FROM payments p WHERE p.checkout_id = NEW.checkout_id
        AND p.status NOT IN ('declined', 'voided', 'refunded'))
    THEN
        RAISE EXCEPTION 'checkout % cannot end as %: stock, order and money do not agree', NEW.checkout_id, NEW.status
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER an_ending_is_whole AFTER INSERT OR UPDATE OF status ON checkouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.status IN ('confirmed', 'rejected', 'cancelled')) EXECUTE FUNCTION an_ending_is_whole();
CREATE CONSTRAINT TRIGGER an_ending_is_whole AFTER INSERT OR UPDATE OF status ON orders
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.status IN ('confirmed', 'cancelled')) EXECUTE FUNCTION an_ending_is_whole();

CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER payments_are_kept BEFORE DELETE OR TRUNCATE ON payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

#: table -> (what tells its rows apart within a checkout, its name in the audit log, the allowed transitions)
STATE_MACHINES = {
    "checkouts": (
        "checkout_id",
        "checkout",
        """>processing >rejected >compensating
        processing>awaiting_payment processing>payment_stuck processing>confirmed processing>compensating
        awaiting_payment>processing awaiting_payment>payment_stuck awaiting_payment>confirmed
        awaiting_payment>compensating
        payment_stuck>processing payment_stuck>awaiting_payment payment_stuck>confirmed payment_stuck>compensating
        compensating>compensation_stuck compensating>rejected compensating>cancelled
        compensation_stuck>rejected compensation_stuck>cancelled""",
    ),
    "reservations": ("sku", "reservation", ">held held>committed held>released"),
    "orders": ("order_number", "order", ">pending pending>confirmed pending>cancelled"),
    "payments": (
        "attempt",
        "payment",
        """>processing
        processing>captured processing>declined processing>unknown processing>pending processing>requires_action
        processing>voided
        unknown>captured unknown>declined unknown>pending unknown>requires_action unknown>voided
        pending>captured pending>declined pending>unknown pending>requires_action pending>voided
        requires_action>captured requires_action>declined requires_action>unknown requires_action>pending
        requires_action>voided
        captured>refunding refunding>refunded""",
    ),
    "refunds": (
        "attempt",
        "refund",
        ">pending >succeeded >failed pending>succeeded pending>failed failed>pending failed>succeeded",
    ),
}


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(RULES)
    for table, (key, entity, transitions) in STATE_MACHINES.items():
        allowed = ", ".join(f"'{pair}'" for pair in transitions.split())
        op.execute(
            f"""
            CREATE TRIGGER {table}_new BEFORE INSERT ON {table} FOR EACH ROW
                EXECUTE FUNCTION refuse_other_transitions({allowed});
            CREATE TRIGGER {table}_transitions BEFORE UPDATE OF status ON {table} FOR EACH ROW
                WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_other_transitions({allowed});
            CREATE TRIGGER {table}_audit_new AFTER INSERT ON {table}
                REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
                EXECUTE FUNCTION audit_transitions('{entity}', '{key}');
            CREATE TRIGGER {table}_audit_changes AFTER UPDATE ON {table}
                REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT
                EXECUTE FUNCTION audit_transitions('{entity}', '{key}');
            """
        )
