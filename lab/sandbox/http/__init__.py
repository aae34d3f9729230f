"""How the provider speaks HTTP: requests, form parameters, idempotency keys, errors, and the pages that only a sandbox has.

What the objects of Stripe's API are and how they change belongs in `lab.sandbox.objects`.
"""
