"""What a checkout's workflow remembers and shows: view, timeline, audit trail, cancellation, updates, the next run.

The order of the steps belongs to `workflows.checkout`, and their undoing to `workflows.saga`.
"""
