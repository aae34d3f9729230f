"""How the API speaks with Temporal: calls with a deadline, updates, snapshots of a checkout, and waiting for one.

HTTP does not belong here, except for the problems that failed calls become; nor what one kind of route alone needs.
"""
