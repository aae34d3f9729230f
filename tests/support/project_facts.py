"""What documents and deployment files talk about, as the code itself has it: settings, commands, targets."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.admission.room import LONGEST_RETRY_AFTER_SECONDS
from api.http.problems import PROBLEM_KINDS
from api.metrics import Metrics
from checkout.cli.main import app
from checkout.config.settings import (
    ApiSettings,
    DatabaseSettings,
    PaymentSettings,
    ReconcileSettings,
    SupportSettings,
    TemporalSettings,
    WorkerSettings,
)
from checkout.domain.states import TRANSITIONS
from checkout_lab.chaos.faults.catalogue import FAULTS
from checkout_lab.sandbox.settings import SandboxSettings

ROOT = Path(__file__).parents[2]
#: The folders whose packages are rooms: the product's, then the laboratory.
HOUSES = ("api", "workflows", "activities", "checkout", "lab/checkout_lab")

#: Each process of the product with the groups of settings that it loads.
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
    """Every variable that any process reads."""
    return settings_of(*{group: None for groups in (PROCESSES | TOOLS).values() for group in groups})


def commands() -> set[str]:
    """Every command of ``checkout``, such as ``catalog import``."""
    return set(options())


def options() -> dict[str, set[str]]:
    """Every command of ``checkout`` with its options, such as ``--json``."""
    return {
        path: {name for parameter in command.params for name in _names(parameter)}
        for path, command in _leaves(typer.main.get_command(app), "")
    }


def _leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [leaf for name, child in command.commands.items() for leaf in _leaves(child, f"{path} {name}".strip())]


def _names(parameter: Any) -> list[str]:
    return [name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")]


def command_table() -> str:
    """The commands and their options as the table of docs/reference/commands.md."""
    rows = ["| command | does | options |", "|---|---|---|"]
    for path, command in sorted(_leaves(typer.main.get_command(app), "")):
        arguments = "".join(f" {p.metavar or p.name.upper()}" for p in command.params if not _names(p))
        known = ", ".join(_option(p) for p in command.params if _names(p))
        does = " ".join((command.help or "").split("\n\n")[0].split())
        rows.append(f"| `checkout {path}{arguments}` | {does} | {known} |")
    return "\n".join(rows)


def _option(parameter: Any) -> str:
    value = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"
    names = [f"`{name}`" for name in _names(parameter)]
    names[0] = f"`{_names(parameter)[0]}{value}`".replace("|", "\\|")
    return " / ".join(names) + (" (required)" if parameter.required else "")


def metrics() -> set[str]:
    """The name of every metric that the API shows."""
    names = re.findall(r"^# TYPE (checkout_\w+) ", Metrics().exposition().decode(), re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}


def metric_table() -> str:
    """The metrics as the table of docs/reference/metrics.md."""
    shown = Metrics()
    kinds = dict(re.findall(r"^# TYPE (checkout_\w+) (\w+)$", shown.exposition().decode(), re.MULTILINE))
    texts = dict(re.findall(r"^# HELP (checkout_\w+) (.+)$", shown.exposition().decode(), re.MULTILINE))
    labels = {name: known for each in vars(shown).values() for name, known in _labels(each)}
    rows = [f"| `{name}` | {kinds[name]} | {labels.get(name, '')} | {texts[name]} |" for name in sorted(metrics())]
    return "\n".join(["| metric | kind | labels | what it is |", "|---|---|---|---|", *rows])


def _labels(metric: Any) -> Iterator[tuple[str, str]]:
    """The metric's name as Prometheus shows it, with its labels; nothing for what is no metric."""
    for family in metric.describe() if hasattr(metric, "describe") else ():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield name, ", ".join(f"`{label}`" for label in metric._labelnames)


def rooms() -> dict[str, str]:
    """Every room of product and laboratory with the first sentence of its docstring."""
    found = {}
    for house in HOUSES:
        for path in sorted((ROOT / house).rglob("__init__.py")):
            docstring = (ast.get_docstring(ast.parse(path.read_text())) or "").replace("``", "`")
            sentence = re.split(r"(?<=[.!?])\s", " ".join(docstring.split()), maxsplit=1)[0]
            found[f"{path.parent.relative_to(ROOT)}/"] = sentence
    return found


def room_table() -> str:
    """The rooms as the map of docs/explanation/architecture.md."""
    return "\n".join(["| room | |", "|---|---|", *(f"| `{room}` | {what} |" for room, what in rooms().items())])


def import_rules() -> str:
    """The contracts of import-linter as the table of docs/explanation/architecture.md."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rows = ["| rule | kind of contract | exceptions |", "|---|---|---|"]
    for contract in linter["contracts"]:
        exceptions = ", ".join(f"`{each}`" for each in contract.get("ignore_imports", ()))
        rows.append(f"| {contract['name']} | {contract['type']} | {exceptions} |")
    return "\n".join(rows)


def decision_table() -> str:
    """The decisions as the list of docs/adr/README.md."""
    rows = ["| | decision | date | status |", "|---|---|---|---|"]
    for path in sorted((ROOT / "docs/adr").glob("0*.md")):
        text = path.read_text()
        found = re.match(r"# (\d{4}): (.+)\n\nDate: ([\d-]+)\. Status: (.+)\.\n", text)
        assert found, f"{path.name}: begin with '# NUMBER: TITLE', then 'Date: YYYY-MM-DD. Status: Accepted.'"
        number, title, date, status = found.groups()
        rows.append(f"| [{number}]({path.name}) | {title} | {date} | {status} |")
    return "\n".join(rows)


def handlers() -> set[str]:
    """Every update, query and signal that a workflow takes."""
    sources = [path.read_text() for path in (ROOT / "workflows").glob("*.py")]
    pattern = r"@workflow\.(?:update|query|signal)(?:\(name=\w+\))?\n    (?:async )?def (\w+)"
    return {name for source in sources for name in re.findall(pattern, source)}


def workflow_types() -> set[str]:
    """The type of every workflow."""
    sources = [path.read_text() for path in (ROOT / "workflows").glob("*.py")]
    pattern = re.compile(r"^class (\w+Workflow)(?:\(\w+\))?:", re.MULTILINE)
    return {name for source in sources for name in pattern.findall(source)}


def make_targets() -> set[str]:
    """Every target of the Makefile that is meant for people."""
    return set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def settings_table() -> str:
    """The settings as the table of docs/reference/settings.md."""
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
    """The states of a table's rows and their transitions, as the Mermaid diagram of docs/explanation/states.md."""
    pairs = TRANSITIONS[table]
    final = {after for _, after in pairs} - {before for before, _ in pairs}
    lines = [f"    {before or '[*]'} --> {after}" for before, after in sorted(pairs)]
    return "\n".join(["stateDiagram-v2", *lines, *(f"    {state} --> [*]" for state in sorted(final))])


def problem_table() -> str:
    """The problem codes as the table of docs/reference/api.md."""
    rows = ["| code | status | when | `Retry-After` |", "|---|---|---|---|"]
    for kind in sorted(PROBLEM_KINDS.values(), key=lambda kind: (kind.status, kind.code)):
        retry = f"{kind.retry_after_seconds} s" if kind.retry_after_seconds else ""
        retry = f"1-{LONGEST_RETRY_AFTER_SECONDS} s" if kind.is_shed else retry
        rows.append(f"| `{kind.code}` | {kind.status} | {kind.title} | {retry} |")
    return "\n".join(rows)


def fault_table() -> str:
    """The faults of ``checkout chaos`` as the table of docs/explanation/reliability.md."""
    rows = ["| where | fault | what it does |", "|---|---|---|"]
    rows += [f"| {fault.where} | `{name}` | {fault.what} |" for name, fault in FAULTS.items()]
    return "\n".join(rows)


def blocks() -> dict[str, str]:
    """What stands in the documents between ``<!-- NAME -->`` and ``<!-- /NAME -->``, and is made from the code."""
    diagrams = {f"states of {table}": f"```mermaid\n{diagram(table)}\n```" for table in TRANSITIONS}
    return {
        "settings": settings_table(),
        "problem codes": problem_table(),
        "faults": fault_table(),
        "commands": command_table(),
        "metrics": metric_table(),
        "rooms": room_table(),
        "import rules": import_rules(),
        "decisions": decision_table(),
        **diagrams,
    }


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
