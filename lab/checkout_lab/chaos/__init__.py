"""`checkout chaos`: faults in a shop of real processes, and a checker that tells whether anything was lost.

Here are the schedule of faults, the progress and the report. Speed is measured in `checkout_lab.bench`.
"""
