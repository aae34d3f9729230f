"""`checkout bench`: what a checkout costs, measured beside a baseline on the same servers at the same time.

Here are the rounds, the counting and the report. Anything that makes something fail belongs in `checkout_lab.chaos`.
"""
