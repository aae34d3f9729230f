"""Everything on one machine: real servers as plain child processes, for developers and tests. Never for production."""
