"""A payment provider for development and tests: a process of its own that speaks the part of Stripe's API we use.

It shares no code with the adapter that calls it, so that neither can hide a mistake of the other. Of the product it
imports how settings are read, the errors and the list of currencies.
"""
