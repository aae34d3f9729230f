"""PostgreSQL: the tables, their rules, and the statements on them, as functions on classes of the domain.

No row and no statement leaves this room, and what is to be done with the results is decided in `activities`.
"""
