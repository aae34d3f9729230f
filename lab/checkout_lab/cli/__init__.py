"""The laboratory's commands of `checkout`: their options, and what they print.

The product finds them by an entry point. The work itself is in the rooms beside this one, none of which imports it.
"""
