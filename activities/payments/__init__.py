"""The activities that ask the payment provider: charge, refund, inquire, and wait while it takes no payments.

Comparing the provider's books with the tables belongs to `activities.reconciliation`; what an outcome means for the
checkout is decided in `workflows`.
"""
