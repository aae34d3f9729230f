"""The tutorial's commands, run one after the other on a development stack of their own, do what the tutorial says."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.dev_process import DevProcess, checkout_dev, temporary_directory
from tests.support.project_facts import ROOT

TUTORIAL = (ROOT / "docs/tutorial/first-purchase.md").read_text()
#: The setting with which the tutorial has the shop started.
STUCK_SOON = {"CHECKOUT_PAYMENT_STUCK_AFTER_SECONDS": "10"}
#: Stands in the tutorial for what is different each time.
ANYTHING = "…"
_END_OF_BLOCK = "== end of block =="


@dataclass(frozen=True)
class Block:
    """The commands of one block, and what the tutorial shows of their output: JSON, or text."""

    commands: str
    shown: dict[str, Any] | None
    text: str


def blocks_of(text: str) -> list[Block]:
    """Every shell block, with the block of output that follows it directly."""
    found = re.findall(r"```sh\n(.*?)```\n(?:\n```(json|text)\n(.*?)```)?", text, re.DOTALL)
    return [
        Block(commands, json.loads(shown) if kind == "json" else None, shown if kind == "text" else "")
        for commands, kind, shown in found
    ]


def agrees(shown: Any, printed: Any) -> bool:
    """Whether the tutorial's abridged JSON is a part of what was printed."""
    if isinstance(shown, dict):
        return isinstance(printed, dict) and all(
            name in printed and agrees(shown[name], printed[name]) for name in shown
        )
    if isinstance(shown, list):
        return len(shown) == len(printed) and all(map(agrees, shown, printed))
    if isinstance(shown, str) and shown.endswith(ANYTHING):
        return isinstance(printed, str) and printed.startswith(shown.removesuffix(ANYTHING))
    return bool(shown == printed)


def follows(shown: str, printed: str) -> bool:
    """Whether what the tutorial shows, ellipses and white space apart, was printed in this order."""
    parts = [re.escape(" ".join(part.split())) for part in shown.split(ANYTHING)]
    return re.search(".*".join(parts), " ".join(printed.split())) is not None


def script_of(blocks: list[Block], dev: DevProcess) -> str:
    """All blocks as one script that stops at the first error, with the addresses and the key of the stack."""
    commands = [f"{block.commands}\necho; echo '{_END_OF_BLOCK}'" for block in blocks]
    return (
        "\n".join(["set -euo pipefail", *commands])
        .replace("http://127.0.0.1:8000", dev.info["api_url"])
        .replace("YOUR_STOREFRONT_KEY", dev.info["storefront_key"])
    )


@pytest.fixture
async def dev() -> AsyncIterator[DevProcess]:
    async with (
        temporary_directory() as directory,
        checkout_dev(directory, "--ephemeral", environment=STUCK_SOON) as dev,
    ):
        yield dev


async def test_the_tutorials_commands_do_what_it_says(dev: DevProcess, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    blocks = blocks_of(TUTORIAL)
    support = {"CHECKOUT_API_URL": dev.info["api_url"], "CHECKOUT_SUPPORT_KEY": dev.info["support_key"]}

    run = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", script_of(blocks, dev)],
        cwd=tmp_path,
        env={**os.environ, **support, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    printed = run.stdout.split(_END_OF_BLOCK)[: len(blocks)]
    for block, output in zip(blocks, printed, strict=True):
        if block.shown:
            # A block may print a table before; the JSON is its last line.
            assert agrees(block.shown, json.loads(output.strip().splitlines()[-1])), f"{block.commands}\n{output}"
        assert follows(block.text, output), f"{block.commands}\n{output}"


def test_output_that_differs_from_what_the_tutorial_shows_is_noticed() -> None:
    assert agrees({"id": "chk_…", "lines": [{"quantity": 2}]}, {"id": "chk_1", "lines": [{"quantity": 2, "sku": "A"}]})
    assert not agrees({"id": "chk_…"}, {"id": "ord_1"})
    assert not agrees({"attempts": 1}, {"attempts": 2})
    assert follows("a\n…\n  c d", "a b\nc   d")
    assert not follows("a\n…\nd", "d a")


def test_the_tutorial_shows_a_purchase_a_failure_and_a_retry() -> None:
    statuses = [block.shown["status"] for block in blocks_of(TUTORIAL) if block.shown]

    assert statuses == ["confirmed", "awaiting_payment", "confirmed", "confirmed", "payment_stuck", "confirmed"]
