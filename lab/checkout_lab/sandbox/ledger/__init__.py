"""The provider's books: one SQLite file that survives the death of the process, and to whom its objects belong.

No rule of Stripe's is applied here; the rules are in `checkout_lab.sandbox.objects`.
"""
