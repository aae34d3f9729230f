"""What the shop means by a checkout: money, states, messages and views, as plain classes of the standard library.

How they are stored, sent or shown belongs to the other rooms; nothing here imports any of them.
"""
