"""The payment within a checkout: its tries, whose turn it is, and support's commands while it is stuck.

What a single try does at the provider belongs to `activities.payments`.
"""
