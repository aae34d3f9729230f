"""Child processes: claim a port, start, wait until it serves, restart what dies, stop, and leave nothing behind.

Nothing here knows which programs these are.
"""
