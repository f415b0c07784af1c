"""What does not fit the schema is one sentence, and the command line's nested numbers are numbers."""

import copy

import pytest
import yaml
from snakemake.utils import validate

from dsbench.core.errors import BuildError, closest
from dsbench.dag.config_check import fit_config
from workflow_run import PROJECT

DEFAULTS = yaml.safe_load((PROJECT / "config/config.yaml").read_text())


def fitted(text):
    config = copy.deepcopy(DEFAULTS) | yaml.safe_load(text)
    fit_config(config, lambda: validate(config, str(PROJECT / "config/schema.yaml")))
    return config


# A text where the schema has a number is what Snakemake makes of --config trtexec='{duration_s: 3}'.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("trtexec: {duration_s: '3'}", lambda c: c["trtexec"]["duration_s"] == 3),
        ("trtexec: {duration_s: '2.5'}", lambda c: c["trtexec"]["duration_s"] == 2.5),
        ("comparison: {cameras: ['40'], fps: '15'}", lambda c: c["comparison"]["cameras"] == [40]),
        ("strongly_typed: 'true'", lambda c: c["strongly_typed"] is True),
        ("models: {a: {source: x, repair: 'null'}}", lambda c: c["models"]["a"]["repair"] is None),
        ("models: {'no': {source: '8'}}", lambda c: c["models"]["no"]["source"] == "8"),
    ],
)
def test_nested_text_is_what_it_means_where_the_schema_wants_no_text(text, value):
    config = fitted(text)
    assert value(config)
    assert config["trtexec"]["warm_up_ms"] == 1000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("precision: fp8", "precision is 'fp8', expected 'fp16' or 'fp32'"),
        ("runtime: no", "runtime is false, expected 'auto', 'nvidia' or 'embedded'"),
        ("target_fps: fast", "target_fps is 'fast', expected a number or null"),
        ("deepstream: {windows: '1'}", "deepstream.windows is 1, expected at least 3"),
        ("models: {a: {source: x, threshold: 3}}", "models.a.threshold is 3, expected a number below 1"),
        ("models: {a: {source: ''}}", "models.a.source is '', expected at least 1 character"),
        ("models: {a: {labels: x}}", "models.a has no source; add it, config/schema.yaml describes it"),
        ("comparison: {cameras: []}", "comparison.cameras is [], expected a list of at least 1"),
        ("comparison: {cameras: 40}", "comparison.cameras is 40, expected a list"),
        ("comparison: {cameras: [10, 0]}", "comparison.cameras.1 is 0, expected at least 1"),
        ("sweep: {max_latency_ms: 0}", "sweep.max_latency_ms is 0, expected a number above 0"),
        ("sweep: {runs: 0}", "sweep.runs is 0, expected at least 1"),
        ("comparison: {fps: 0}", "comparison.fps is 0, expected a number above 0"),
        (
            "models: {a: {source: x, preprocessing: {mean: [1, 2]}}}",
            "is [1, 2], expected a list of at least 3",
        ),
        ("largest_batch: {nvidia: 5000}", "largest_batch.nvidia is 5000, expected at most 1024"),
        (
            "models: {a: {source: x, resize: nearest}}",
            "resize is 'nearest', expected 'nvinfer' or 'in_graph'",
        ),
        ("models: {a: null}", "models.a is null, expected settings by name"),
        ("models: {}", "models is {}, expected at least 1 entry"),
        (
            "trtexec: {duration: 3}",
            "trtexec has no setting 'duration'; expected one of duration_s, warm_up_ms",
        ),
        (
            "precison: fp16",
            "there is no setting 'precison'; the closest: precision",
        ),
        (
            "threshold: 0.4",
            "threshold is a setting of one model; write models: {NAME: {source: …, threshold: 0.4}}",
        ),
        ("duration_s: 3", "--config trtexec='{duration_s: 3}' on the command line"),
        (
            "trtexec.duration_s: 3",
            "trtexec.duration_s is no setting; write trtexec: {duration_s: 3} in the file, or --config"
            " trtexec='{duration_s: 3}' on the command line",
        ),
        (
            "models.a.threshold: 0.4",
            "write models: {a: {threshold: 0.4}} in the file, or --config models='{a: {threshold: 0.4}}'",
        ),
        (
            "models: {on: {source: x}}",
            "models has the name true, which YAML does not read as text; a number and",
        ),
        ("models: {8: {source: x}}", "models has the name 8, which"),
        ("models: {null: {source: x}}", "models has the name null, which"),
        ("models: {2024-01-01: {source: x}}", "models has the name 2024-01-01, which"),
        ('models: {"a\\n": {source: x}}', r"models has the name 'a\n'; a name has letters"),
        ('gpu_class: "A100\\n"', r"gpu_class is 'A100\n', expected text of the form"),
        (
            'models: {a: {source: x, preprocessing: {scale: "1/255\\n"}}}',
            r"preprocessing.scale is '1/255\n', expected",
        ),
        ("models: {a/b: {source: x}}", "models has the name 'a/b'; a name has letters, digits, _ and - only"),
        ("models: {a: {source: 8}}", "models.a.source is 8, expected text; a number and a word such as no"),
        ("gpu_class: " + "x" * 300, f"gpu_class is '{'x' * 59}…, expected text of the form"),
    ],
)
def test_what_does_not_fit_is_one_sentence(text, says):
    with pytest.raises(BuildError) as error:
        fitted(text)
    assert str(error.value).startswith("config: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_few_names_are_all_shown_and_of_many_the_closest():
    assert closest("x", ["a", "b"], "the list") == "expected one of a, b"
    many = [*"abcdefg", "yolo_v5", "yolo_v8"]
    assert closest("yolov8", many, "the list") == "the closest: yolo_v8, yolo_v5; all 9 are in the list"
    assert closest("zzz", many, "the list") == "all 9 are in the list"
