#!/bin/sh
# Brings both of Temporal's databases to the schema of this image's release. Safe to run again: it continues from the
# version that it finds. Host, port, user and password come from SQL_* in the environment.
set -eu

bring_to_head() {
    temporal-sql-tool --db "$1" setup-schema -v 0.0
    temporal-sql-tool --db "$1" update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

bring_to_head temporal temporal
bring_to_head temporal_visibility visibility
