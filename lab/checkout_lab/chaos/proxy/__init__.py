"""A TCP proxy for one link, which can delay, lose, cut or corrupt what passes, at a chosen moment of a protocol.

It knows protocols and no processes; which links there are is in `checkout_lab.chaos.system`.
"""
