"""The invariants, checked on tables, ledger and workflows from outside.

It imports nothing of the product and nothing else of the laboratory, so that it cannot share a mistake with what it
checks.
"""
