"""What documents and deployment files talk about, as the code itself has it: settings, commands, targets."""

import re
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.admission.room import LONGEST_RETRY_AFTER_SECONDS
from api.http.problems import KINDS
from api.metrics import Metrics
from checkout.cli.main import app
from checkout.config.settings import (
    ApiSettings,
    DatabaseSettings,
    PaymentSettings,
    ReconcileSettings,
    SandboxSettings,
    SupportSettings,
    TemporalSettings,
    WorkerSettings,
)
from checkout.domain.states import TRANSITIONS
from lab.chaos.faults.catalogue import FAULTS

ROOT = Path(__file__).parents[2]

#: Each of our processes with the groups of settings that it loads.
PROCESSES: dict[str, tuple[type[BaseSettings], ...]] = {
    "api": (ApiSettings, TemporalSettings),
    "worker": (TemporalSettings, DatabaseSettings, PaymentSettings, WorkerSettings),
    "migrate": (DatabaseSettings, TemporalSettings, ReconcileSettings),
    "reconcile": (TemporalSettings, ReconcileSettings),
    "support": (SupportSettings,),
    "catalogue": (DatabaseSettings,),
    "sandbox": (SandboxSettings,),
}
#: The same for commands that people run anywhere, and that are no part of a deployment.
TOOLS: dict[str, tuple[type[BaseSettings], ...]] = {"support": (SupportSettings,)}


def settings_of(*groups: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Environment variable -> the field that it sets."""
    return {
        f"{group.model_config['env_prefix']}{name}".upper(): field
        for group in groups
        for name, field in group.model_fields.items()
    }


def all_settings() -> dict[str, FieldInfo]:
    """Every variable that any of our processes reads."""
    return settings_of(*{group: None for groups in (PROCESSES | TOOLS).values() for group in groups})


def commands() -> set[str]:
    """Every command of ``checkout``, such as ``catalog import``."""
    return set(options())


def options() -> dict[str, set[str]]:
    """Every command of ``checkout`` with its options, such as ``--json``."""
    return dict(_below(typer.main.get_command(app), ""))


def _below(command: Any, path: str) -> list[tuple[str, set[str]]]:
    if not hasattr(command, "commands"):
        names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        return [(path, {name for name in names if name.startswith("--")})]
    return [leaf for name, child in command.commands.items() for leaf in _below(child, f"{path} {name}".strip())]


def metrics() -> set[str]:
    """The name of every metric of ours that the API shows."""
    names = re.findall(r"^# TYPE (checkout_\w+) ", Metrics().exposition().decode(), re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}


def handlers() -> set[str]:
    """Every update, query and signal that a workflow of ours takes."""
    sources = [path.read_text() for path in (ROOT / "workflows").glob("*.py")]
    pattern = r"@workflow\.(?:update|query|signal)\n    (?:async )?def (\w+)"
    return {name for source in sources for name in re.findall(pattern, source)}


def workflow_types() -> set[str]:
    """The type of every workflow of ours."""
    sources = [path.read_text() for path in (ROOT / "workflows").glob("*.py")]
    pattern = re.compile(r"^class (\w+Workflow)(?:\(\w+\))?:", re.MULTILINE)
    return {name for source in sources for name in pattern.findall(source)}


def make_targets() -> set[str]:
    """Every target of the Makefile that is meant for people."""
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def settings_table() -> str:
    """The settings as the table of docs/operations.md."""
    users: dict[str, list[str]] = {}
    for process, groups in (PROCESSES | TOOLS).items():
        for variable in settings_of(*groups):
            users.setdefault(variable, []).append("catalog import" if process == "catalogue" else process)
    rows = ["| variable | what it is | when not set | read by |", "|---|---|---|---|"]
    for variable, field in sorted(all_settings().items()):
        rows.append(f"| `{variable}` | {field.description} | {_default(field)} | {', '.join(users[variable])} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**refused**"
    if field.default is None:
        return "none"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def diagram(table: str) -> str:
    """The states of a table's rows and their transitions, as the Mermaid diagram of docs/states.md."""
    pairs = TRANSITIONS[table]
    final = {after for _, after in pairs} - {before for before, _ in pairs}
    lines = [f"    {before or '[*]'} --> {after}" for before, after in sorted(pairs)]
    return "\n".join(["stateDiagram-v2", *lines, *(f"    {state} --> [*]" for state in sorted(final))])


def problem_table() -> str:
    """The problem codes as the table of docs/api.md."""
    rows = ["| code | status | when | `Retry-After` |", "|---|---|---|---|"]
    for kind in sorted(KINDS.values(), key=lambda kind: (kind.status, kind.code)):
        retry = f"{kind.retry_after_seconds} s" if kind.retry_after_seconds else ""
        retry = f"1-{LONGEST_RETRY_AFTER_SECONDS} s" if kind.is_shed else retry
        rows.append(f"| `{kind.code}` | {kind.status} | {kind.title} | {retry} |")
    return "\n".join(rows)


def fault_table() -> str:
    """The faults of ``checkout chaos`` as the table of docs/reliability.md."""
    rows = ["| where | fault | what it does |", "|---|---|---|"]
    rows += [f"| {fault.where} | `{name}` | {fault.what} |" for name, fault in FAULTS.items()]
    return "\n".join(rows)


def blocks() -> dict[str, str]:
    """What stands in the documents between ``<!-- NAME -->`` and ``<!-- /NAME -->``, and is made from the code."""
    diagrams = {f"states of {table}": f"```mermaid\n{diagram(table)}\n```" for table in TRANSITIONS}
    return {"settings": settings_table(), "problem codes": problem_table(), "faults": fault_table(), **diagrams}


def with_blocks(text: str) -> str:
    """A document's text with its blocks made anew."""
    for name, block in blocks().items():
        fence = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = fence.sub(lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text)  # type: ignore[misc]
    return text


if __name__ == "__main__":
    # After a change of a setting, a state or a problem: `python -m tests.support.project_facts` updates the documents.
    for document in (ROOT / "docs").rglob("*.md"):
        document.write_text(with_blocks(document.read_text()))
