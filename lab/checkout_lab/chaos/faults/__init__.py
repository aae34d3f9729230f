"""Every kind of fault: what it does to the system, for how long, and how it is undone.

When faults come is decided in `checkout_lab.chaos.schedule`; what the system can be made to do is in
`checkout_lab.chaos.system`.
"""
