"""The stories: what happens to an order, readable from top to bottom."""
