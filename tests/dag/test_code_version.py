"""A rule runs again when what its script does changes, with every module behind it, and not for a comment."""

import ast
import re

import pytest

from declared_rules import declared_rules
from dsbench.dag.code_version import (
    NOT_IN_OUTPUTS,
    PACKAGE,
    code_version,
    files_behind,
    imported_modules,
    meaning,
)
from workflow_run import PROJECT

# Their code is no reason: a remote revision is resolved once, a fact is probed for each DAG, a plan made for each call.
WITHOUT = ("list_source", "record_fact", "upgrade_plan")
CODE = sorted((PROJECT / "workflow").rglob("*.py"))


RULES = {
    f"{rule.name}, {runtime}": rule
    for runtime in ("embedded", "nvidia")
    for rule in declared_rules(runtime)
    if rule.script and rule.name not in WITHOUT
}


def test_rules_are_found_with_their_scripts():
    assert len(RULES) > 80
    inherited = RULES["write_nvinfer_config_ds, nvidia"]
    assert (inherited.script, inherited.code) == ("write_nvinfer_config", ["write_nvinfer_config"])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_depends_on_its_own_script(rule):
    assert RULES[rule].code[:1] == [RULES[rule].script]


def test_modules_that_a_script_starts_as_programs_are_named():
    started = {
        module
        for file in (PROJECT / "workflow/scripts/dsbench").rglob("*.py")
        for module in re.findall(r'"-m", "dsbench\.([\w.]+)"', file.read_text())
    }
    named = {module for rule in RULES.values() for module in rule.code[1:]}
    assert started - named == {"dag.jobs", "machine.node_facts"}, (
        "the plan and the facts have no code_version()"
    )


def test_modules_imported_by_name_from_the_package_count():
    names = {path.name for path in files_behind("sources.listing")}
    assert {"hub.py", "ngc.py", "ngc_cli.py", "local_source.py"} <= names
    assert "query_sigmoid.py" in {path.name for path in files_behind("families.declared")}


def bare(text):
    """Return a syntax tree without docstrings, as text."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        holds = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if holds and ast.get_docstring(node) is not None:
            node.body[0].value.value = ""
    return ast.dump(tree)


@pytest.mark.parametrize("file", CODE, ids=lambda file: file.stem)
def test_what_a_file_means_is_its_syntax_tree_without_docstrings(file):
    assert bare(meaning(file)) == bare(file.read_text())


def test_comments_docstrings_and_blank_lines_mean_nothing_and_all_else_does(tmp_path):
    def means(text):
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        file.write_text(text)
        return meaning(file)

    code = '"""Doc."""\n\nA = "#1"\n\n\ndef f():\n    """Say."""\n    return """\n\n# kept\n"""\n'
    same = '"""Other."""\n# why\nA = "#1"  # what\ndef f():\n    """Do."""\n    return """\n\n# kept\n"""\n'
    assert means(code) == means(same)
    for changed in (
        code.replace("#1", "#2"),
        code.replace("# kept", "# other"),
        code.replace("\n\n# kept", "\n# kept"),
    ):
        assert means(changed) != means(code)


def in_syntax_tree(file):
    """Return the modules of the package that a file imports, by Python's own parser."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            folder = PACKAGE.parent / (node.module or "").replace(".", "/")
            is_module = [(folder / f"{alias.name}.py").is_file() for alias in node.names]
            found |= {
                f"{node.module}.{alias.name}" if named else node.module or ""
                for alias, named in zip(node.names, is_module, strict=True)
            }
    return {name.removeprefix("dsbench.") for name in found if name.startswith("dsbench.")}


def test_imports_are_found_in_the_text_as_python_finds_them(tmp_path):
    files = sorted((PROJECT / "workflow/scripts").rglob("*.py"))
    assert len(files) > 100
    assert [str(file) for file in files if imported_modules(file) != in_syntax_tree(file)] == []
    odd = tmp_path / "odd.py"
    odd.write_text(
        "from dsbench.sources import (\n    hub,  # why\n    ngc as c,\n)\nimport os, dsbench.d as d\n"
        "def f():\n    from dsbench.e.f import (x,\n y)\n    from dsbench.core import files # no\n"
        "from dsbench.families.declared import families\n"
    )
    assert (
        imported_modules(odd)
        == in_syntax_tree(odd)
        == {
            *("sources.hub", "sources.ngc", "d", "e.f", "core.files", "families.declared"),
        }
    )


def test_versions_differ_by_script_and_by_program_and_not_by_call():
    assert code_version("draw_charts") != code_version("print_pdf")
    assert code_version("export_onnx") != code_version("export_onnx", "onnx.inside_export.torch_export")
    assert code_version("draw_charts") == code_version("draw_charts")


def test_what_only_words_errors_is_left_out_where_a_script_uses_it_itself():
    assert all((PACKAGE / f"{module.replace('.', '/')}.py").is_file() for module in NOT_IN_OUTPUTS)
