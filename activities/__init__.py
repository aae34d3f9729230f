"""What touches the world: each do beside its undo, and the small writes beside the steps, all of which may run twice.

When they run is decided in `workflows`; their SQL is in `checkout.db`, and the provider's API in `checkout.payments`.
"""
