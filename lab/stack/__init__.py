"""Everything on one machine: real servers and the product's processes as child processes, for developers and tests.

It is never meant for production, which starts each process by itself. What it does with child processes in general is in
`lab.stack.processes`, what it knows of PostgreSQL and Temporal in `lab.stack.servers`.
"""
