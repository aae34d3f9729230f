"""Runs commands as a shell does."""

import asyncio
import os
import subprocess
import sys


async def checkout(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these settings and no others."""
    return await python("-P", "-m", "checkout.cli.main", *arguments, **environment)


async def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these settings and no others."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *arguments],
        env={**os.environ, **{f"CHECKOUT_{name}": value for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
