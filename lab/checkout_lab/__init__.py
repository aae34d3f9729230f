"""The laboratory: what proves and demonstrates the product. Its sandbox provider, development stack, load and faults.

It is a distribution of its own, which the product never imports and never needs. What a shop needs in production
belongs in the product.
"""
