"""The routes for staff, who see every storefront's checkouts and act on those that are stuck; and what they see.

The decision whether an action is allowed does not belong here: the checkout's workflow makes it.
"""
