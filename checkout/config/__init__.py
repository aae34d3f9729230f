"""The settings that the product's processes read from the environment, checked before anything starts.

Every group of settings is read once into a frozen object and passed on from there. No other room reads the environment,
except for the proxy variables (``HTTPS_PROXY``, ``NO_PROXY``), which `checkout.payments.stripe.http` reads; and the
settings of the sandbox provider belong to `checkout_lab.sandbox`.
"""
