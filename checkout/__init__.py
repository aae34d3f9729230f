"""What the product's processes share: domain, database, payment provider, Temporal's names, settings, commands.

Workflows, activities and the API are packages beside this one and import from it; nothing here imports them, except the
commands that start them. What only proves or demonstrates the product belongs in `lab/`.
"""
