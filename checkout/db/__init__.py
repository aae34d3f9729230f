"""PostgreSQL: the tables, their rules, and the statements of each step."""
