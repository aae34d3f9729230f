"""The port to the payment provider, and its one adapter."""
