"""The port to the payment provider (`gateway`), and a folder for each adapter; there is one, for Stripe.

It knows neither tables nor workflows: when to ask, and what to commit before and after, is decided in `activities`.
"""
