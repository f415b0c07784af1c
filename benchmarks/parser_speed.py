"""Print what one frame costs each parser, next to a plain decoder and to the algorithms of others, as Markdown.

usage: python benchmarks/parser_speed.py [PARSER.cpp ...]

The plain decoder scores every candidate in double and sorts them all; boxes are left out, so a whole one is slower.
Each parser's objects are counted against its reference decoder before its time is printed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "workflow/scripts"), str(PROJECT / "tests/support")]

from dsbench.deepstream.parser_build import (  # noqa: E402
    SETTINGS,
    compile_parser,
    settings_header,
    write_parser_sources,
)
from dsbench.families.declared import families  # noqa: E402
from dsbench.families.family import Family, FrameTensors  # noqa: E402
from parser_calls import case, layer  # noqa: E402

SIZE = (640, 640)
OBJECTS = 20
Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Subject:
    """What is measured of a head.

    `scores` gives its candidates' numbers as [rows, columns], `activation` is what makes scores of them. `others`
    is the complexity of other parsers of it for Q queries, N anchors, K rows, C classes, n above the threshold.
    `frames` are (rows, classes) of trained query heads' answers; without any, the family's example is measured.
    """

    scores: Callable[[Tensors], np.ndarray] = lambda tensors: max(tensors.values(), key=np.size).reshape(
        -1, 1
    )
    activation: str = "final"
    others: str = ""
    frames: tuple[tuple[int, int], ...] = ()


QUERIES = ((300, 80), (100, 4))
IN_GRAPH = "DeepStream-Yolo: class and score in the graph, then O(N)"
SUBJECTS = {
    "sigmoid_queries.cpp": Subject(
        lambda t: t["logits"],
        "sigmoid",
        "RTDETRTAO: QC exp in double, QC pairs, full sort, O(QC log QC)",
        QUERIES,
    ),
    "best_class_queries.cpp": Subject(
        lambda t: t["logits"], "sigmoid", "DDETRTAO: O(QC), then a tree by score, O(n log n)", QUERIES
    ),
    "softmax_queries.cpp": Subject(lambda t: t["logits"], "softmax", "none", QUERIES),
    "anchor_channels.cpp": Subject(
        lambda t: t["channels"][4:].T,
        others=f"YoloV11OBB: O(NC) in steps of N, NMS O(n²); {IN_GRAPH}",
    ),
    "anchor_rows.cpp": Subject(lambda t: t["rows"][:, 4:], others=IN_GRAPH),
    "objectness_rows.cpp": Subject(lambda t: t["rows"][:, 4:5] * t["rows"][:, 5:], others=IN_GRAPH),
    "grid_rows.cpp": Subject(lambda t: t["rows"][:, 4:5] * t["rows"][:, 5:], others=IN_GRAPH),
    "distance_bins.cpp": Subject(lambda t: t["rows"][:, :-32], others="none"),
    "boxes_beside_scores.cpp": Subject(lambda t: t["scores"], others=IN_GRAPH),
    "boxes_confs.cpp": Subject(lambda t: t["confs"], others=IN_GRAPH),
    "coverage_grid.cpp": Subject(
        lambda t: t["coverage"].reshape(len(t["coverage"]), -1), others="Resnet: O(NC)"
    ),
    "final_rows.cpp": Subject(lambda t: t["rows"][:, 4:5], others="DeepStream-Yolo: O(K), two copies more"),
    "counted_detections.cpp": Subject(
        lambda t: t["scores"].reshape(-1, 1), others="BatchedNMSTLT, EfficientDetTAO: O(K)"
    ),
    "counted_rows.cpp": Subject(lambda t: t["rows"][..., 2].reshape(-1, 1), others="NMSTLT: O(K)"),
    "labels_boxes_scores.cpp": Subject(lambda t: t["scores"].reshape(-1, 1), others="none"),
    "scored_boxes_labels.cpp": Subject(lambda t: t["rows"][:, 4:5], others="none"),
}


def queries(random: np.random.Generator, rows: int, classes: int, background: bool) -> dict[str, np.ndarray]:
    """Return what a trained head answers: a confident class in few rows, the rest far below any threshold."""
    logits = random.normal(-5.0, 1.0, (rows, classes + background))
    if background:
        logits[:, -1] = random.normal(3.0, 1.0, rows)
    objects = random.choice(rows, OBJECTS, replace=False)
    logits[objects, random.integers(0, classes, OBJECTS)] = random.normal(
        6.0 if background else 1.5, 0.8, OBJECTS
    )
    boxes = np.hstack([random.uniform(0.2, 0.8, (rows, 2)), random.uniform(0.05, 0.3, (rows, 2))])
    return {"logits": logits, "boxes": boxes}


def frames_of(family: Family, subject: Subject) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Give the number of classes and the tensors by role of each frame to measure."""
    for rows, classes in subject.frames:
        yield classes, queries(np.random.default_rng(7), rows, classes, subject.activation == "softmax")
    if not subject.frames:
        yield 80, dict(family.example(np.random.default_rng(7), 80, *SIZE))


def measure(family: Family, directory: Path, driver: Path) -> list[str]:
    """Return one table row per frame and number type: ns per frame on one core, and the ratio."""
    subject = SUBJECTS.get(family.head.parser_source, Subject())
    names = {role: role for role in family.head.roles}
    write_parser_sources(family, names, family.all_settings(), PROJECT / "workflow/parsers", directory)
    library = compile_parser(directory, None, 28, directory / "make.log")
    rows = []
    for classes, exact in frames_of(family, subject):
        for numbers in (np.float32, np.float16):
            tensors = {role: np.ascontiguousarray(array, numbers) for role, array in exact.items()}
            scores = np.ascontiguousarray(subject.scores(tensors))
            parser_ns, plain_ns, objects = _timed(family, subject, driver, library, tensors, scores, classes)
            sizes = ", ".join("x".join(map(str, array.shape)) for array in tensors.values())
            rows.append(
                f"| {family.head.parser_source} | {sizes} | {np.dtype(numbers).name} | {objects} | {parser_ns:,} |"
                f" {plain_ns:,} | {plain_ns / parser_ns:.1f} | {subject.others} |"
            )
    return rows


def _timed(family, subject, driver, library, tensors, scores, classes) -> tuple[int, int, int]:
    """Return the parser's and the plain decoder's ns, and the number of objects, which is the reference's."""
    thresholds = np.full(classes, family.default_threshold, np.float32)
    layers = [layer(role, array) for role, array in tensors.items()]
    answer = subprocess.run(
        [driver, library, family.head.parser_symbol, subject.activation],
        input=case([*layers, layer("scores alone", scores)], thresholds, SIZE),
        check=True,
        capture_output=True,
    ).stdout
    parser_ns, plain_ns, objects = map(int, answer.split())
    frame = FrameTensors({r: a.astype(np.float64) for r, a in tensors.items()}, *SIZE, thresholds)
    expected = len(family.head.decode(frame, family.all_settings()))
    if objects != expected:
        raise SystemExit(f"{family.head.parser_source}: {objects} objects, the reference has {expected}")
    return parser_ns, plain_ns, objects


def compile_driver(directory: Path) -> Path:
    """Return the compiled measuring program, built with the parsers' own optimisation level."""
    parsers = PROJECT / "workflow/parsers"
    driver = directory / "parser_speed"
    options = ["-std=c++17", "-O3", "-Wall", "-Wextra", "-Werror", "-DDEEPSTREAM_OBJECT_BYTES=28"]
    (directory / SETTINGS).write_text(settings_header({}, {}))
    includes = ["-I", parsers, "-I", parsers / "include", "-I", PROJECT / "tests/support", "-I", directory]
    source = PROJECT / "benchmarks/parser_speed.cpp"
    subprocess.run(["g++", *options, *includes, source, "-o", driver, "-ldl"], check=True)
    return driver


def main() -> None:
    """Pin this process to one core, measure the heads named on the command line or all, print."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    heads = {family.head.parser_source: family for family in reversed(families())}
    unknown = set(sys.argv[1:]) - set(heads)
    if unknown:
        raise SystemExit(f"no parser {', '.join(sorted(unknown))}; there are {', '.join(sorted(heads))}")
    print("| parser | tensors | numbers | objects | parser ns | double, full sort ns | ratio | others |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        driver = compile_driver(Path(folder))
        for source in sys.argv[1:] or sorted(heads):
            rows = measure(heads[source], Path(folder) / source, driver)
            print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
