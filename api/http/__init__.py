"""HTTP as such: routes that read requests in order, keys, bodies, headers, problems.

What only the routes of one room need does not belong here, nor any call of Temporal.
"""
