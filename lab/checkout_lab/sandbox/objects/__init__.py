"""The objects of Stripe's API, one module each: what can be asked of them, and how they change.

How a request is read and a response is written belongs in `checkout_lab.sandbox.http`; where objects are kept, in
`checkout_lab.sandbox.ledger`.
"""
