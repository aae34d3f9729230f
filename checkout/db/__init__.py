"""PostgreSQL: the tables, their rules, and the statements on them, a module for each group of tables.

Its functions take and return classes of the domain; no row and no statement leaves this room. What is to be done with
what they return is decided in `activities`.
"""
