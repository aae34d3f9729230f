"""The HTTP API, which speaks with Temporal alone: it starts workflows, sends them updates, and queries them.

What only a workflow or an activity may do does not belong here: the API opens no database and calls no provider.
"""
