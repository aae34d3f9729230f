"""Every name of code that a document or a file of the deployment quotes exists."""

import re
from itertools import chain
from pathlib import Path

import pytest

from tests.support.project_facts import HOUSES, ROOT, all_settings, metrics
from tests.unit.project.test_glossary import found_in

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNBOOK = (ROOT / "docs/guides/runbook.md").read_text()
#: A quoted word that could be a name of the program: snake_case, SCREAMING_CASE, CamelCase, or parts with dots.
NAME = re.compile(r"(?:[A-Za-z]\w*\.)*_?[A-Za-z]\w*(?:\(\))?")
LOOKS_LIKE_OURS = re.compile(r"_|[a-z][A-Z]|\w\.\w")
#: Names of others, and names that a document quotes because they are gone.
FOREIGN = frozenset(
    {
        *("temporal_workflow_failed", "temporal_workflow_task_execution_failed"),
        *("temporal_workflow_task_schedule_to_start_latency", "max_task_queue_activities_per_second"),
        *("workflow.patched", "BadSearchAttributes", "NonDeterminismError"),  # Temporal
        *("pg_dumpall", "plan_cache_mode"),  # PostgreSQL
        "http_NNN",  # a pattern
        "test_a_failed_step_leaves_a_clean_slate",  # an example
    }
)
#: What PostgreSQL, the Temporal server and its SDK write.
FOREIGN_TEXTS = frozenset(
    {
        *("connection refused", "session is read-only", "No space left on device", "remaining connection slots"),
        *("Failed decoding arguments", "Failed deserializing signal input … dropping the signal"),
        "BadSearchAttributes: Namespace … has no mapping defined for search attribute OrderNumber",
        "[TMPRL1100] Nondeterminism error",
    }
)
#: Not texts of the program: what people type, and a header, a query and a metadata pair.
TYPED = re.compile(r"checkout |temporal |--|Checkout-View: |CheckoutStatus = |purpose: ")


def code() -> list[Path]:
    """Everything that declares names, but the tests of the documents themselves."""
    python = chain.from_iterable((ROOT / house).rglob("*.py") for house in (*HOUSES, "tests"))
    others = ("worker.py", "pyproject.toml", "Makefile", "Dockerfile", "docker-compose.yml", ".env.example", ".ci/run")
    files = [*python, *(ROOT / name for name in others), *(p for p in (ROOT / "docker").rglob("*") if p.is_file())]
    return [path for path in files if path.parent != Path(__file__).parent]


WORDS = set(chain.from_iterable(re.findall(r"\w+", path.read_text()) for path in code()))
WORDS |= {path.stem for path in code()} | all_settings().keys() | metrics()


def quoted(text: str) -> set[str]:
    """What stands between single backticks, outside of blocks of code."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {" ".join(each.split()) for each in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)}


def unknown_names(text: str) -> list[str]:
    names = {each.removesuffix("()") for each in quoted(text) if NAME.fullmatch(each) and LOOKS_LIKE_OURS.search(each)}
    return sorted(name for name in names - FOREIGN if not set(name.split(".")) <= WORDS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_of_code_that_a_document_quotes_exists(path: Path) -> None:
    assert unknown_names(path.read_text()) == []


def test_a_name_that_is_gone_is_found() -> None:
    text = (
        "`NEW_CHARGE_KEY`, `Attempt.is_told_by()`, `StartCompensatingNow`, `checkouts.lock_for_undo`, `pi_…`, `plain`"
    )

    assert unknown_names(text) == ["Attempt.is_told_by", "NEW_CHARGE_KEY", "StartCompensatingNow"]


def texts_of_the_program() -> str:
    """The source of the product, where a text that is broken into lines is whole."""
    python = chain.from_iterable((ROOT / house).rglob("*.py") for house in HOUSES[:4])
    source = " ".join(path.read_text() for path in (ROOT / "worker.py", *python))
    return " ".join(re.sub(r'"\s*f?"', "", source).split())


def unknown_texts(text: str) -> list[str]:
    """Quoted texts of several words that nobody writes. A placeholder or a value stands where the program has one."""
    program = texts_of_the_program()
    told = {each for each in quoted(text) if " " in each and not TYPED.match(each)} - FOREIGN_TEXTS
    parts = {each: re.split(r"…|re_…|pending$|\(INVALID_ARGUMENT\).*", each) for each in told}
    return sorted(each for each in told if not all(part.strip() in program for part in parts[each]))


def test_every_text_that_the_runbook_quotes_is_written_by_the_program() -> None:
    assert unknown_texts(RUNBOOK) == []


def test_a_text_that_nobody_writes_is_found() -> None:
    assert unknown_texts("`Temporal refuses our calls`, `PostgreSQL: …`") == ["Temporal refuses our calls"]


def test_no_foreign_name_or_text_is_listed_that_nothing_quotes() -> None:
    assert quoted(RUNBOOK) >= FOREIGN_TEXTS
    assert FOREIGN - set(chain.from_iterable(quoted(path.read_text()) for path in DOCUMENTS)) == set()


def test_the_files_of_the_deployment_name_pages_that_exist_in_words_that_are_allowed() -> None:
    files = [ROOT / ".env.example", ROOT / "Makefile", *(p for p in (ROOT / "docker").rglob("*") if p.is_file())]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in files}
    dead = [
        (name, page)
        for name, text in texts.items()
        for page in re.findall(r"\bdocs/[\w./-]+\.md", text)
        if not (ROOT / page).exists()
    ]

    assert dead == []
    assert {name: found_in(text) for name, text in texts.items() if found_in(text)} == {}
