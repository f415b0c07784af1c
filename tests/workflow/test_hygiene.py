"""What keeps the project one project: README, rules and configuration agree."""

import ast
import re
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest
import yaml

from declared_rules import declared_rules
from dsbench.families.declared import family_named, query_softmax

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "workflow").rglob("*.py"))


def test_no_two_rules_share_a_log_or_a_wall_time():
    paths = [path for rule in declared_rules() for path in (*rule.logs, rule.benchmark) if path]
    assert len(paths) > 80
    assert [path for path, count in Counter(paths).items() if count > 1] == []


def test_readme_has_the_two_commands_of_the_makefile():
    readme, makefile = (PROJECT / "README.md").read_text(), (PROJECT / "Makefile").read_text()
    for command in ("report", "test"):
        assert f"make {command}\n" in readme
        assert re.search(rf"^{command}:", makefile, re.M)


def test_configuration_fits_its_schema_and_every_key_is_described():
    schema = yaml.safe_load((PROJECT / "config/schema.yaml").read_text())
    jsonschema.validate(yaml.safe_load((PROJECT / "config/config.yaml").read_text()), schema)

    def described(node, place):
        for key, entry in node.get("properties", {}).items():
            assert entry.get("description"), f"{place}{key}"
            described(entry, f"{place}{key}.")
        if isinstance(node.get("additionalProperties"), dict):
            described(node["additionalProperties"], place)
        if node.get("type") == "object":
            assert "additionalProperties" in node, place

    described(schema, "")


def test_a_public_name_of_the_library_or_the_runtime_means_one_thing():
    # The start of a program, and what each declaration of families gives under the same name.
    shared = {"main", "decode", "example", "tensors"}
    names = Counter(
        node.name
        for file in MODULES
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    )
    assert len(names) > 400
    assert {name for name, count in names.items() if count > 1} <= shared


def test_architecture_lists_the_packages_in_the_linters_order_with_their_own_sentences():
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["dsbench"])
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (PROJECT / "docs/architecture.md").read_text(), re.M)
    assert [(name, import_module(f"dsbench.{name}").__doc__) for name in reversed(layers)] == rows


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_module_is_a_subject_and_no_god_file(module):
    assert len(module.read_text().splitlines()) <= 400


def test_every_script_belongs_to_a_rule():
    rules = [*declared_rules("embedded"), *declared_rules("nvidia")]
    scripts = {path.stem for path in (PROJECT / "workflow/scripts").glob("*.py")}
    assert scripts == {rule.script for rule in rules} - {None}


@pytest.mark.parametrize("runtime", ["embedded", "nvidia"])
def test_rule_script_and_log_of_a_step_have_one_name(runtime):
    named = [
        (rule.name, rule.script, name)
        for rule in declared_rules(runtime)
        if rule.script
        for name in (rule.name, *(Path(log).stem for log in (*rule.logs, rule.benchmark) if log))
    ]
    assert [each for each in named if not each[2].startswith(each[1])] == []


def test_guide_to_families_shows_a_declared_one_in_under_a_page():
    guide = (PROJECT / "docs/adding-a-family.md").read_text()
    short, written_out = re.findall(r"```python\n(.*?)```", guide, re.S)
    for text in (short, written_out):
        assert eval(text, dict(vars(query_softmax))) == family_named("yolos")
    assert len(guide.splitlines()) < 60
    for name in re.findall(r"`(\w+\.(?:py|cpp|hpp))`", guide):
        assert list(PROJECT.rglob(f"workflow/**/{name}")) or name == "parser_settings.hpp", name
    for path in re.findall(r"`(tests/\S+\.py)`", guide):
        assert (PROJECT / path).is_file()


def test_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())["version"]
    newest = re.search(r"^## \[(\d[^\]]*)\]", (PROJECT / "CHANGELOG.md").read_text(), re.M)[1]
    assert version == citation == newest
