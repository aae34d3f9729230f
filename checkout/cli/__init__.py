"""The command `checkout`: one module a command, each imported when it is called.

Here are options, exit statuses and what a terminal shows; the work itself is elsewhere, and only the laboratory imports
this room. The laboratory's own commands are in `checkout_lab.cli`.
"""
