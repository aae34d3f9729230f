"""The provider's events: written into the outbox with what they tell, then signed and delivered as webhooks.

Which event belongs to which change is decided where the change is made, in `checkout_lab.sandbox.objects`.
"""
