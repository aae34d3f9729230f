"""Measured faults: real processes, a proxy on every connection between them, and everything that can go wrong there."""
