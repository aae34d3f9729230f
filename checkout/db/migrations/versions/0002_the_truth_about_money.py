"""What is known of money and of the provider's events, more exactly.

Everything is added while code for revision 0001 runs, so nothing that it writes or reads may be refused or go.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# An event of another mode or account. Not validated: every row that is there has met the rule before, which was
# stricter, and a scan would keep the table from everybody, because one transaction holds all of a migration's locks.
FOREIGN_EVENTS = """
ALTER TABLE payment_events
    DROP CONSTRAINT payment_events_status_check,
    ADD CONSTRAINT payment_events_status_check CHECK (status IN ('applied', 'unmatched', 'foreign')) NOT VALID
"""


def upgrade() -> None:
    op.execute(FOREIGN_EVENTS)
