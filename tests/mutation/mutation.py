"""What a mutation is: a sentence on what it breaks, the edits that make it, and which detector should find it.

An edit names the text that it replaces. That text has to be there exactly once, so a mutation whose text has gone fails
instead of changing nothing.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """The product has changed, and a mutation has to follow."""


@dataclass(frozen=True)
class Edit:
    """In the file ``path`` (from the root of the tree), ``old`` becomes ``new``."""

    path: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file's text with the edit.

        Raises:
            DoesNotApply: ``old`` is not there exactly once, or the edit changes nothing.
        """
        if (times := text.count(self.old)) != 1 or self.old == self.new:
            raise DoesNotApply(f"{self.path} has {times} times:\n{self.old}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Campaign:
    """A campaign in which the mutation shows. ``faults`` is what ``checkout chaos --faults`` takes: a number, kinds."""

    faults: str
    checkouts: int = 80
    seed: int = 1


@dataclass(frozen=True)
class Mutation:
    """One mistake that a checkout may have.

    ``breaks`` says in a sentence what is wrong then. ``cases`` are patterns (``*``) of the ids of the exhaustive tests
    that have to find it; empty where none can, because it takes several checkouts, HTTP, or a fault of the provider.
    """

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    cases: tuple[str, ...] = ()
    campaign: Campaign = Campaign("8")

    def apply(self, tree: Path) -> None:
        """Apply the mutation to a tree.

        Raises:
            DoesNotApply: see `Edit.applied`.
        """
        for path, text in self.changed(tree).items():
            (tree / path).write_text(text)

    def changed(self, tree: Path) -> Mapping[str, str]:
        """The files that the mutation changes, as they are with it; nothing is written. Raises as `apply` does."""
        texts: dict[str, str] = {}
        for edit in self.edits:
            try:
                texts[edit.path] = edit.applied(texts.get(edit.path) or (tree / edit.path).read_text())
            except DoesNotApply as error:
                raise DoesNotApply(f"the mutation {self.name} does not apply any more: {error}") from None
        return texts

    def diff(self, tree: Path) -> str:
        """The mutation as a unified diff. Raises as `apply` does."""
        return "".join(
            line
            for path, text in self.changed(tree).items()
            for line in difflib.unified_diff(
                (tree / path).read_text().splitlines(keepends=True),
                text.splitlines(keepends=True),
                f"a/{path}",
                f"b/{path}",
            )
        )
