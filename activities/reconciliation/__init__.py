"""The activities that compare tables, workflows and the provider's ledger, and give back money of no sale.

Undoing an abandoned checkout is no matter of theirs: its own undos do that, called from `workflows.reconcile`.
"""
