"""What touches the world: each do beside its undo, and the small writes beside the steps. Each may run twice or late.

When and how often they run is decided in `workflows`; their SQL is in `checkout.db`, the provider's API in
`checkout.payments`.
"""
