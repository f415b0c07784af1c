"""docs/rebuilds.md: which rules run again after which change, read off the DAG of a tree that is complete.

Run as a program it prints the document; `make rebuilds` writes it.
"""

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from dsbench.dag.jobs import PROJECT, dag_jobs, dag_rules, link_project

MODEL = "rtdetr"
PARSER = "softmax_queries.cpp"
EDITED = "workflow/scripts/dsbench/report/charts.py"
# Names in the DAG follow from these, so a tree that has them has every job; the numbers are arbitrary.
TRTEXEC_LOG = """&&&& RUNNING TensorRT.trtexec [TensorRT v101600] # trtexec
[a] [I] Throughput: 22.5 qps
[a] [I] GPU Compute Time: min = 40 ms, max = 40 ms, mean = 40 ms, median = 40 ms
&&&& PASSED TensorRT.trtexec [TensorRT v101600] # trtexec
"""
ROW = "**PERF:  " + "30.00 (30.00)\t" * 3
RUN_LOG = "\n".join(["Use deserialized engine model: m.engine", *[ROW] * 12, "App run successful\n"])
STAND_INS = {
    "build/toolchain/target_fps.json": json.dumps({"target_fps": 30, "from": "clip"}),
    f"build/graph_kinds/{MODEL}.json": json.dumps({"batch": "dynamic", "parser_source": PARSER}),
    f"models/{MODEL}/benchmarks/b4/trtexec_b4.log": TRTEXEC_LOG,
    f"models/{MODEL}/benchmarks/ds/ds_s3_run1.log": RUN_LOG,
}
FACTS = {
    "nvidia": {
        "driver": ["driver"],
        "CUDA": ["cuda"],
        "TensorRT": ["trtexec"],
        "DeepStream": ["deepstream", "deepstream_headers"],
        "GPU": ["gpu"],
    },
    "embedded": {
        "OpenVINO": ["openvino"],
        "CPU": ["cpu"],
        "PyAV": ["pyav"],
        "compiler": ["compiler"],
    },
}
TITLES = {"nvidia": "On NVIDIA's tools", "embedded": "On the embedded runtime"}
HEAD = """# What runs again after which change

`make rebuilds` makes this page from the DAG, and a test makes it again and compares. ● means that the jobs of the rule
run again after the change. Without ● they do not run. A changed value or content counts; a newer date does not. So
"touch" (a file with a new date) and "checkout" (all files of the project with new dates) make nothing run again.

| Change | Meaning |
|---|---|
| TensorRT | another value in `build/toolchain/trtexec.json` |
| DeepStream | another value in `build/toolchain/deepstream.json` and `deepstream_headers.json` |
| driver, CUDA, GPU, OpenVINO, CPU, PyAV, compiler | another value in the file of that name in `build/toolchain/` |
| export lock | another version of a package in `envs/export.lock` |
| source | another file that the ONNX is made of |
| ONNX | another `{model}.onnx` |
| parser source | an edited C++ source of the parser |
| template | an edited Markdown template of the report |
| labels | another content of the file that the model's entry names |
| video | another clip |
| threshold | another threshold in the model's entry |
| chart code | an edited module `charts.py`; comments and docstrings do not count |
"""


def rebuild_table(programs: list[Path]) -> str:
    """Return the document; `programs` are folders whose programs stand for NVIDIA's tools."""
    with TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        # The library is edited here, and a link to the Snakefile would lead back to what it was.
        link_project(project, own=["Snakefile", "workflow"])
        shutil.copy(PROJECT / "Snakefile", project)
        shutil.copytree(
            PROJECT / "workflow", project / "workflow", ignore=shutil.ignore_patterns("__pycache__")
        )
        trees = [Tree(project, Path(folder) / kind, kind, programs) for kind in FACTS]
        with ThreadPoolExecutor(2) as pool:
            before = list(pool.map(Tree.jobs, trees))
            with (project / EDITED).open("a") as stream:
                stream.write("EDITED = True\n")
            after = list(pool.map(Tree.jobs_with_threshold, trees))
        sections = [
            f"\n## {TITLES[tree.kind]}\n\n{_matrix(jobs, _changes(tree, jobs, changed))}"
            for tree, jobs, changed in zip(trees, before, after, strict=True)
        ]
    return HEAD + "".join(sections)


class Tree:
    """A folder in which every decision has been made, with one runtime and a clip of its own."""

    def __init__(self, project: Path, folder: Path, kind: str, programs: list[Path]):
        self.project, self.folder, self.kind = project, folder, kind
        for name, content in STAND_INS.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        shutil.copytree(project / "config", folder / "config")
        self.video = folder / "clip.mp4"
        shutil.copy(project / "demo/sample_720p.mp4", self.video)
        self.labels = folder / "names.txt"
        self.labels.write_text("car\nperson\nbicycle\nroad_sign\n")
        before = programs if kind == "nvidia" else []
        path = os.pathsep.join([*map(str, before), os.environ["PATH"]])
        self.env = {**os.environ, "PATH": path, "DS_VIDEO": "", "DS_TRUTH": ""}
        self.config = yaml.safe_load((project / "config/config.yaml").read_text())
        self.config |= {
            "runtime": kind,
            "video": self.video.name,
            "first_batch": {"nvidia": 4, "embedded": 4},
        }
        self.config["models"][MODEL] |= {"labels": self.labels.name}

    def jobs(self, config: dict | None = None) -> list[dict]:
        """Return every job of the tree."""
        return dag_jobs(self.project / "Snakefile", self.folder, config or self.config, ["all"], env=self.env)

    def rules(self) -> list[dict]:
        """Return every rule that the project declares for the tree."""
        return dag_rules(self.project / "Snakefile", self.folder, self.config, env=self.env)

    def jobs_with_threshold(self) -> list[dict]:
        """Return every job where the model's entry names another threshold."""
        entry = self.config["models"][MODEL] | {"threshold": 0.123}
        return self.jobs(self.config | {"models": {MODEL: entry}})

    def relative(self, file: str) -> str:
        """Return a file of the project as jobs name it."""
        return os.path.relpath(self.project / file, self.folder)


def _changes(tree: Tree, before: list[dict], after: list[dict]) -> dict[str, set[str]]:
    """Return for each change the rules that run again; `after` has another threshold and edited chart code."""
    facts = FACTS[tree.kind] | {"export lock": ["export_lock"]}
    source = f"{tree.relative('demo')}/checkpoint/"
    changed = {title: _writing(before, names) for title, names in facts.items()}
    readers = {
        "source": [file for job in before for file in job["input"] if file.startswith(source)],
        "ONNX": [f"models/{MODEL}/model/{MODEL}.onnx"],
        "parser source": [tree.relative(f"workflow/parsers/{PARSER}")],
        "template": [tree.relative("workflow/scripts/dsbench/report/templates/benchmark_report.md.j2")],
        "labels": [tree.labels.name],
        "video": [tree.video.name],
    }
    changed |= {title: _reading(before, files) for title, files in readers.items()}
    changed |= {"threshold": _other(before, after, "threshold"), "chart code": _other(before, after, "code")}
    if unseen := [title for title, first in changed.items() if not first]:
        raise LookupError(f"{unseen}: no job of the DAG sees this change; correct its file in {__file__}")
    # tests/workflow/test_rebuild.py plans both on a finished tree.
    changed |= {"touch": set(), "checkout": set()}
    return {title: _rules_after(before, first) for title, first in changed.items()}


def _writing(jobs: list[dict], facts: list[str]) -> set[int]:
    return {n for n, job in enumerate(jobs) if job["wildcards"].get("fact") in facts}


def _reading(jobs: list[dict], files: list[str]) -> set[int]:
    return {n for n, job in enumerate(jobs) if set(files) & set(job["input"])}


def _other(jobs: list[dict], others: list[dict], parameter: str) -> set[int]:
    values = {tuple(job["output"]): job["params"].get(parameter) for job in others}
    return {n for n, job in enumerate(jobs) if job["params"].get(parameter) != values[tuple(job["output"])]}


def _rules_after(jobs: list[dict], first: set[int]) -> set[str]:
    """Return the rules of the jobs `first` and of all that follow: what comes after a job that runs, runs too."""
    running = set(first)
    for number, job in enumerate(jobs):
        if running & set(job["needs"]):
            running.add(number)
    return {jobs[number]["rule"] for number in running if jobs[number]["output"]}


def _matrix(jobs: list[dict], changed: dict[str, set[str]]) -> str:
    rules = dict.fromkeys(job["rule"] for job in jobs if job["output"])
    rows = [f"| Rule | {' | '.join(changed)} |", f"|---|{':---:|' * len(changed)}"]
    rows += [
        f"| `{rule}` | {' | '.join('●' if rule in each else ' ' for each in changed.values())} |"
        for rule in rules
    ]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rebuild_table([Path(folder).resolve() for folder in sys.argv[1:]]))
