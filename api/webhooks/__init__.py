"""The provider's notifications: their signatures, what is read of them, and the workflows that are started for them.

What an event means for a payment does not belong here: a workflow asks the provider.
"""
