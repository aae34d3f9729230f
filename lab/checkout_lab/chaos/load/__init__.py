"""The shoppers and the support agent of a campaign, who buy by a seeded scenario and remember what they were told.

Whether what they were told was right is decided in `checkout_lab.chaos.checker`.
"""
