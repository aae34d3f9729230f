"""The servers of a development stack: PostgreSQL and Temporal, with their programs, settings and data.

The product's own processes are described in `checkout_lab.stack.plan`.
"""
