"""The routes for customers' checkouts, with their bodies, and the service that carries them out.

What support alone may do does not belong here, nor what is the same for every route (`api.http`).
"""
