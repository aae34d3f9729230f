"""One campaign from beginning to end: load, faults by a schedule, recovery, verdict, and the evidence when it fails.

What a fault does, what shoppers do and what must hold are in the rooms beside this one.
"""
