"""The payment within a checkout: its attempts, whose turn it is, and support's commands while it is stuck.

What a single attempt does at the provider belongs to `activities.payments`.
"""
