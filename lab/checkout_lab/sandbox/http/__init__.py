"""How the provider speaks HTTP: one request, its form parameters and idempotency key, and connections that are cut.

What the objects of Stripe's API are and how they change belongs in `checkout_lab.sandbox.objects`.
"""
