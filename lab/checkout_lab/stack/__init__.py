"""Everything on one machine: real servers and the product's processes as child processes, for developers and tests.

It is never meant for production, which starts each process by itself. What concerns any child process is in
`checkout_lab.stack.processes`, what concerns PostgreSQL and Temporal in `checkout_lab.stack.servers`.
"""
