"""Editing a library module reruns the rules whose script uses it: each names what its script imports."""

import ast
import re
from pathlib import Path

import pytest

from dsbench.code_version import code_version, files_behind, imported_modules

PROJECT = Path(__file__).parents[1]
# They word errors and progress, or say how a tool is called, whose facts are inputs, or how a file gets its name; no
# artefact holds them.
NOT_IN_OUTPUTS = files_behind("rule_script", "tool_run", "toolchain", "whole_file")
# Their code is no reason: a remote revision is resolved once, a fact is probed for each DAG, a plan made for each call.
WITHOUT = ("list_source", "record_fact", "upgrade_plan")


def rules():
    """Return name, script and modules in code_version() of each rule; a `use rule` has its base's script."""
    found = {}
    for file in sorted((PROJECT / "rules").glob("*.smk")):
        for block in re.split(r"\n(?=(?:use rule|rule|checkpoint) )", file.read_text())[1:]:
            first = block.split("\n")[0].rstrip(":").split()
            name, base = (first[4], first[2]) if first[0] == "use" else (first[1], None)
            script = re.search(r"workflow/scripts/(\w+\.py)", block)
            code = re.search(r"code_version\((.*?)\),\n {4,8}\w", block, re.S)
            inherited = found.get(base, (None, []))
            found[name] = (
                script[1] if script else inherited[0],
                re.findall(r'"(\w+)"', code[1]) if code else inherited[1],
            )
    return {name: facts for name, facts in found.items() if facts[0] and name not in WITHOUT}


RULES = rules()


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_names_every_module_that_its_script_imports(rule):
    script, modules = RULES[rule]
    used = files_behind(*imported_modules(PROJECT / "workflow/scripts" / script))
    assert sorted(path.name for path in used - files_behind(*modules) - NOT_IN_OUTPUTS) == []


def test_rules_are_found_with_their_modules():
    assert len(RULES) > 30
    assert RULES["write_nvinfer_config_ds"][0] == "write_nvinfer_config.py"
    assert "families" in RULES["write_nvinfer_config_ds"][1]


def test_modules_imported_by_name_from_the_package_count():
    names = {path.name for path in files_behind("source_listing")}
    assert {"hub.py", "ngc.py", "ngc_cli.py", "local_source.py"} <= names
    assert "query_sigmoid.py" in {path.name for path in files_behind("families")}


def in_syntax_tree(file):
    """Return the modules of the package that a file imports, by Python's own parser."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "dsbench":
            found |= {f"dsbench.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {name.removeprefix("dsbench.") for name in found if name.startswith("dsbench.")}


def test_imports_are_found_in_the_text_as_python_finds_them(tmp_path):
    files = sorted((PROJECT / "workflow/scripts").rglob("*.py"))
    assert len(files) > 150
    assert [str(file) for file in files if imported_modules(file) != in_syntax_tree(file)] == []
    odd = tmp_path / "odd.py"
    odd.write_text(
        "from dsbench import (\n    a,  # why\n    b as c,\n)\nimport os, dsbench.d as d\n"
        "def f():\n    from dsbench.e.f import (x,\n y)\n    from dsbench import g # no\n"
    )
    assert imported_modules(odd) == in_syntax_tree(odd) == {"a", "b", "d", "e.f", "g"}


def test_versions_differ_by_module_and_not_by_call():
    assert code_version("deepstream_run") != code_version("perf_log")
    assert code_version("streams") == code_version("streams")
