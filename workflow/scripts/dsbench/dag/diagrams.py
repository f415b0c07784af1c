"""What `docs/` shows of the code: diagrams of files, rules and packages, and the tables from a file to its code.

Run as a program it writes them; `make diagrams` does that.
"""

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from dsbench.dag.artefact_table import artefact_tables
from dsbench.dag.rebuild_table import MODEL, PROJECT, Tree

LIBRARY = PROJECT / "workflow/scripts/dsbench"
# The files that a reader knows a job by: as the diagram calls them, and a pattern of their path.
FILES = {
    "source": r".*/demo/checkpoint/.*",
    "model.onnx": r"models/{model}/model/{model}\.onnx",
    "labels.txt": r"models/{model}/config/labels\.txt",
    "preprocess.json": r"models/{model}/validation/preprocess\.json",
    "engine": r"models/{model}/benchmarks/engines/{model}_dynamic_b\d+\.engine",
    "trtexec_b{B}.log": r"models/{model}/benchmarks/b4/trtexec_b4\.log",
    "trtexec_b1.log": r"models/{model}/benchmarks/b1/trtexec_b1\.log",
    "max_bs.json": r"models/{model}/benchmarks/max_bs\.json",
    "libparser.so": r"models/{model}/parser/libparser\.so",
    "config_infer_primary": r"models/{model}/config/config_infer_primary_{model}\.txt",
    "kitti_output": r"models/{model}/samples/kitti_output",
    "gate.json": r"models/{model}/validation/gate\.json",
    "accuracy.json": r"models/{model}/validation/accuracy\.json",
    "batch_slots.json": r"models/{model}/validation/batch_slots\.json",
    "ds_s{N}_run{K}.log": r"models/{model}/benchmarks/ds/ds_s\d+_run[12]\.log",
    "video": r"models/{model}/samples/{model}_output\.\w+",
    "benchmark_data.json": r"models/{model}/reports/benchmark_data\.json",
    "charts": r"models/{model}/reports/charts/.*\.png",
    "report.md": r"models/{model}/reports/benchmark_report\.md",
    "report.html": r"models/{model}/reports/benchmark_report\.html",
    "report.pdf": r"models/{model}/reports/benchmark_report\.pdf",
}
HEAD = """# The rules and how they follow each other

`make diagrams` makes this page from the DAG, and a test makes it again and compares. An arrow leads from a rule to one
that takes its files; arrows that follow from others are left out. These are the rules of a model on
NVIDIA's tools that served three streams. The table of the [architecture](architecture.md#from-a-file-to-its-code) says
which file in `rules/` has them.

"""
PACKAGES_HEAD = """# The packages and how they import each other

`make diagrams` makes this page from the imports of the library, and a test makes it again and compares. An arrow leads
from a package to one that it imports; arrows that follow from others are left out. Data flow against the arrows. What
each package does is in the [architecture](architecture.md#the-library-workflowscriptsdsbench).

"""
Edges = set[tuple[str, str]]


def documents(programs: list[Path]) -> dict[Path, str]:
    """Return the texts of the documents with what is made from the code, anew; `programs` stand for NVIDIA's tools."""
    with TemporaryDirectory() as folder:
        tree = Tree(PROJECT, Path(folder), "nvidia", programs)
        jobs, rules = tree.jobs(), tree.rules()
    of_model, others = artefact_tables(rules)
    docs = PROJECT / "docs"
    return {
        docs / "architecture.md": _with(
            docs / "architecture.md",
            {"files": diagram("TD", file_edges(jobs)), "artefacts": of_model, "other artefacts": others},
        ),
        docs / "packages.md": PACKAGES_HEAD + diagram("LR", package_edges()),
        docs / "rules.md": HEAD + diagram("TD", rule_edges(jobs)),
    }


def _with(document: Path, blocks: dict[str, str]) -> str:
    """Return a document's text with `blocks`, each in its place: the diagram or table below the line that names it."""
    text = document.read_text(encoding="utf-8")
    for name, block in blocks.items():
        place = re.search(
            rf"(<!-- {name}: [^\n]*\n)(?:```mermaid\n.*?```\n|(?:\|[^\n]*\n)+)", text, re.DOTALL
        )
        if place is None:
            raise LookupError(f"{document}: no place for {name}")
        text = text[: place.start()] + place[1] + block + text[place.end() :]
    return text


def diagram(direction: str, edges: Edges) -> str:
    """Return the graph of `edges` as a fenced Mermaid block that flows in `direction` (TD or LR)."""
    nodes = dict.fromkeys(node for edge in sorted(edges) for node in edge)
    lines = [f"flowchart {direction}", *(f'  {_id(node)}["{node}"]' for node in nodes)]
    lines += [f"  {_id(start)} --> {_id(end)}" for start, end in sorted(edges)]
    return "\n".join(["```mermaid", *lines, "```", ""])


def rule_edges(jobs: list[dict]) -> Edges:
    """Return which rule takes files of which, from `dag_jobs`, without those that follow from others."""
    makes = {(jobs[need]["rule"], job["rule"]) for job in jobs if job["output"] for need in job["needs"]}
    return reduced({edge for edge in makes if edge[0] != edge[1]})


def file_edges(jobs: list[dict]) -> Edges:
    """Return which of FILES is made from which, from `dag_jobs`, whatever files lie between."""
    # For each job the known files nearest before it.
    before: list[set[str]] = []
    edges: Edges = set()
    for job in jobs:
        taken = _known(job["input"])
        taken |= {near for need in job["needs"] for near in _known(jobs[need]["output"]) or before[need]}
        before.append(taken)
        edges |= {(near, made) for made in _known(job["output"]) for near in taken if near != made}
    return reduced(edges)


def package_edges() -> Edges:
    """Return which package of the library imports which, without those that follow from others."""
    packages = sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))
    edges = {
        (package, other)
        for package in packages
        for file in (LIBRARY / package).rglob("*.py")
        for other in _imported(file)
        if other in packages and other != package
    }
    return reduced(edges)


def reduced(edges: Edges) -> Edges:
    """Return the edges of a graph without circles that do not follow from the others."""
    after: dict[str, set[str]] = {}
    for start, end in edges:
        after.setdefault(start, set()).add(end)
    return {
        (start, end)
        for start, end in edges
        if not any(_reaches(after, other, end) for other in after[start] - {end})
    }


def _reaches(after: dict[str, set[str]], start: str, end: str) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        for node in after.get(waiting.pop(), set()) - seen:
            seen.add(node)
            waiting.append(node)
    return end in seen


def _known(files: list[str]) -> set[str]:
    patterns = {name: pattern.replace("{model}", MODEL) for name, pattern in FILES.items()}
    return {name for name, pattern in patterns.items() for file in files if re.fullmatch(pattern, file)}


def _imported(file: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dsbench."):
            yield node.module.split(".")[1]


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


if __name__ == "__main__":
    for file, text in documents([Path(folder).resolve() for folder in sys.argv[1:]]).items():
        file.write_text(text, encoding="utf-8")
