"""The workflows: what happens to a checkout, to the provider's events and in a comparison, and when each is retried.

Whatever touches PostgreSQL, the provider or a clock belongs to `activities`; HTTP belongs to `api`.
"""
