"""The system under test: real processes with a proxy on every link, and what can be done to them.

Which of it happens when is decided by the faults and the campaign.
"""
