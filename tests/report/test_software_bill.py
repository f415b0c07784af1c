"""The bill of materials of a report: valid by the published schema, of what was there, equal for equal inputs."""

import json
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from dsbench.report.software_bill import EXPORT, WORKFLOW, installed_packages, listed_packages, software_bill
from dsbench.sources.source import FetchedFile, Provenance
from example_report import example, record

DATA = replace(record(example()), model_name="detector")
PROVENANCE = Provenance(
    source="detector",
    kind="disk",
    repository=None,
    requested_revision=None,
    revision=None,
    license=None,
    bytes=1,
    files=[FetchedFile("model.onnx", 1, "a" * 64)],
)


def validated(bill):
    """Return the bill after CycloneDX's own schema has found no fault in it."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    return bill


@pytest.mark.parametrize(
    "stated", [{}, {"license": "apache-2.0", "revision": "0123abc"}, {"license": "see LICENSE"}]
)
def test_a_bill_is_valid_and_names_what_measured(stated):
    packages = {
        WORKFLOW: installed_packages(),
        EXPORT: listed_packages(["torch==2.13.0+cpu\n", "\n", "numpy==2.4.6"]),
    }
    bill = validated(software_bill(DATA, replace(PROVENANCE, **stated), packages))
    named = {each["bom-ref"]: each for each in bill["components"]}
    assert len(named) == len(bill["components"])
    assert named["workflow/onnx"]["purl"].startswith("pkg:pypi/onnx@")
    assert named["export/torch"]["purl"] == "pkg:pypi/torch@2.13.0%2Bcpu"
    assert "application/cuda" not in named, "what was not there is absent"
    model = named["machine-learning-model/detector"]
    assert model["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert ("licenses" in model) == ("license" in stated)


def test_equal_inputs_give_an_equal_bill_and_others_another_number():
    one, same = (software_bill(DATA, PROVENANCE, {WORKFLOW: {"onnx": "1"}}) for _ in range(2))
    assert one == same
    assert one["serialNumber"] != software_bill(DATA, PROVENANCE, {WORKFLOW: {"onnx": "2"}})["serialNumber"]
