"""The command ``checkout``: one module a command, each imported when it is called."""
