"""What a Temporal namespace must have before anything runs: search attributes, and the schedule of reconciliation.

Everything here can be run again at any time, and brings the namespace up to date. The tables of PostgreSQL are migrated
in `checkout.db`.
"""
