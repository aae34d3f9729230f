"""Keys that replace burnt ones, the mark of this deployment, and payments that are held; an undo may find a capture.

It only widens what is allowed, so code for revision 0002 goes on while it runs and after it.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
-- The first key of an attempt stands in its row. Each one here replaces one under which the provider was seen to repeat
-- an error, or is one of a refund; it is recorded before it is used.
CREATE TABLE idempotency_keys (
    idempotency_key text PRIMARY KEY,
    checkout_id     text NOT NULL,
    purpose         text NOT NULL CHECK (purpose IN ('charge', 'refund')),
    subject         text NOT NULL,
    number          integer NOT NULL CHECK (number >= 1),
    why             text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (checkout_id, purpose, subject, number)
);
COMMENT ON COLUMN idempotency_keys.subject IS 'the number of the attempt, or the intent whose money is given back';

CREATE TRIGGER idempotency_keys_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is written on every payment that this deployment makes, so that those of other programs are not touched.
CREATE TABLE deployment (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    mark text NOT NULL CHECK (length(mark) BETWEEN 8 AND 64)
);
INSERT INTO deployment (mark) VALUES (gen_random_uuid()::text);
CREATE TRIGGER the_mark_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON deployment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Null where code for an earlier revision made the payment, which wrote no mark on it.
ALTER TABLE payments ADD COLUMN deployment text;

-- While there is a row, no payment can be taken: the account or the key is at fault, not the customer.
CREATE TABLE provider_hold (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    reason text NOT NULL,
    detail text NOT NULL,
    since  timestamptz NOT NULL DEFAULT now()
);
"""

#: table -> the allowed transitions, those of the first migration and the new ones
TRANSITIONS = {
    "payments": """>processing
        processing>captured processing>declined processing>unknown processing>pending processing>requires_action
        processing>voided
        unknown>captured unknown>declined unknown>pending unknown>requires_action unknown>voided
        pending>captured pending>declined pending>unknown pending>requires_action pending>voided
        requires_action>captured requires_action>declined requires_action>unknown requires_action>pending
        requires_action>voided
        declined>captured voided>captured
        captured>refunding refunding>refunded""",
    "refunds": """>pending >succeeded >failed pending>succeeded pending>failed failed>pending failed>succeeded
        succeeded>failed""",
}


def upgrade() -> None:
    op.execute(TABLES)
    for table, transitions in TRANSITIONS.items():
        allowed = ", ".join(f"'{pair}'" for pair in transitions.split())
        op.execute(
            f"""
            CREATE OR REPLACE TRIGGER {table}_new BEFORE INSERT ON {table} FOR EACH ROW
                EXECUTE FUNCTION refuse_other_transitions({allowed});
            CREATE OR REPLACE TRIGGER {table}_transitions BEFORE UPDATE OF status ON {table} FOR EACH ROW
                WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_other_transitions({allowed});
            """
        )
