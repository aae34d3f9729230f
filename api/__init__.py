"""The HTTP API: what a storefront may ask. It speaks with Temporal alone, never with the database or a provider."""
