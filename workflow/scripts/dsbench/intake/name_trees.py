"""Class names as a tree of values has them: JSON, a list of Python or C++, YAML."""

import ast
import contextlib
from collections import Counter
from typing import Any

from dsbench.intake.file_choice import IntakeError, printable
from dsbench.intake.json_files import parse_json

# What is parsed as a tree takes a hundred times its size in memory.
LARGEST_TREE_CHARACTERS = 1 << 19
# Where a data set's YAML or JSON has the names.
KEYS = ("names", "class_names", "id2label", "labels", "classes", "categories", "character")


def names_in_literal(text: str, place: str) -> dict[int, str]:
    """Return the names by class id in brackets or braces; raise IntakeError, with `place`, where there are none."""
    return _of_value(_literal(text, place), place)


def names_in_yaml(text: str, place: str) -> dict[int, str]:
    """Return the names by class id in YAML; raise IntakeError, with `place`, where there are none."""
    return _of_value(_yaml(text, place), place)


def _literal(text: str, place: str) -> object:
    """Return the value of JSON, of a Python literal, as Ultralytics' metadata is, or of YAML; nothing is run."""
    _refuse_large_tree(text, place)
    with contextlib.suppress(IntakeError):
        return parse_json(text.encode(), place)
    try:
        tree = _BracesAsLists().visit(ast.parse(text, mode="eval"))
        mappings = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
        if any(len(ast.literal_eval(node)) != len(node.keys) for node in mappings):
            raise IntakeError(f"{place}: a class id occurs twice, so it has two meanings; keep one of them.")
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _yaml(text, place)


class _BracesAsLists(ast.NodeTransformer):
    """In C++ braces hold a list; as a Python set it would lose its order."""

    def visit_Set(self, node: ast.Set) -> ast.AST:
        return self.generic_visit(ast.List(node.elts, ast.Load()))


def _yaml(text: str, place: str) -> object:
    """Return the mapping or list in YAML, its scalars as they are written: the class `no` is no truth value."""
    import yaml

    _refuse_large_tree(text, place)
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise IntakeError(
            f"{place}: looks like JSON, YAML or a Python list and cannot be read as one{line}; write one class name"
            " per line."
        ) from None
    return _listed(_stated(root, place) if isinstance(root, yaml.MappingNode) else root, place)


def _stated(root: Any, place: str) -> Any:
    """Return the node below one of KEYS in a mapping or one key down, else the mapping; refuse two that differ."""
    below = [(f"{_scalar(key, place)}: ", value) for key, value in root.value if value.id == "mapping"]
    stated = [
        (f"{outer}{key.value}", value)
        for outer, node in (("", root), *below)
        for key, value in node.value
        if key.value in KEYS
    ]
    lists = [(where, node) for where, node in stated if node.id != "scalar"] or stated[:1]
    for where, node in lists[1:]:
        if _of_value(_listed(node, place), place) != _of_value(_listed(lists[0][1], place), place):
            one, other = (printable(name)[:40] for name in (lists[0][0], where))
            raise IntakeError(
                f"{place}: has other class names below {one!r} than below {other!r}; keep one of them."
            )
    return lists[0][1] if lists else root


def _listed(node: Any, place: str) -> object:
    if node.id == "sequence":
        return [_scalar(entry, place) for entry in node.value]
    if node.id == "mapping":
        return distinct_pairs(
            [(_scalar(key, place), _scalar(value, place)) for key, value in node.value], place
        )
    raise IntakeError(f"{place}: has {_scalar(node, place)[:80]!r} where the class names are expected.")


def _scalar(node: Any, place: str) -> str:
    if not isinstance(node.value, str):
        raise IntakeError(f"{place}: a class name is a list or a mapping; expected text.")
    return "" if node.value in ("null", "~") and node.style is None else node.value


def _refuse_large_tree(text: str, place: str) -> None:
    if len(text) > LARGEST_TREE_CHARACTERS:
        raise IntakeError(f"{place}: {len(text)} characters, expected at most {LARGEST_TREE_CHARACTERS}.")


def _of_value(value: object, place: str) -> dict[int, str]:
    """Return the names in a list, a mapping by id or to ids, or below the key of a mapping that has them."""
    if isinstance(value, dict):
        inner = next((value[key] for key in KEYS if isinstance(value.get(key), dict | list | tuple)), None)
        if inner is not None:
            return _of_value(inner, place)
        pairs = list(value.items())
        # The other way round, as label2id has them, where every class has a name.
        is_complete = {str(number) for number in value.values()} == set(map(str, range(len(value))))
        if is_complete and not all(_is_id(key) for key in value):
            pairs = [(number, name) for name, number in pairs]
    elif isinstance(value, list | tuple):
        pairs = list(enumerate(value))
        # COCO's annotations, and what labelling tools export, of which some have no ids.
        if value and all(isinstance(entry, dict) and "name" in entry for entry in value):
            has_ids = any("id" in entry for entry in value)
            pairs = [(entry.get("id") if has_ids else n, entry["name"]) for n, entry in enumerate(value)]
        elif value and all(isinstance(entry, list | tuple) and len(entry) == 2 for entry in value):
            pairs = list(value)
    else:
        raise IntakeError(f"{place}: a {type(value).__name__}, expected a list or mapping of class names.")
    for key, name in pairs:
        if not _is_id(key) or isinstance(name, dict | list | tuple):
            raise IntakeError(
                f"{place}: its entry {str(key)[:40]!r} is no class id with one name; write a name per line."
            )
    return distinct_pairs([(int(key), "" if name is None else str(name)) for key, name in pairs], place)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return value.isdecimal() and len(value) <= 6
    return isinstance(value, int) and not isinstance(value, bool)


def distinct_pairs(pairs: list[tuple], place: str) -> dict:
    """Return the pairs by their first; raise IntakeError where one occurs twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise IntakeError(
            f"{place}: {str(twice)[:40]} occurs twice, so it has two meanings; keep one of them."
        )
    return found
