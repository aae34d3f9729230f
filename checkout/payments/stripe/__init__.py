"""The adapter to Stripe: its objects, its errors, its amounts and its HTTP, put into the words of the port.

Nothing outside this folder knows the `stripe` package, except for the check of an event's signature in `api`; the
provider that tests and demonstrations use is `checkout_lab.sandbox`.
"""
