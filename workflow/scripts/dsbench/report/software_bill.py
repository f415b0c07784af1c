"""The software and the model behind a report's numbers, as a CycloneDX bill of materials."""

import json
import tomllib
import uuid
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dsbench.report.report_records import BenchmarkData
from dsbench.sources.source import Provenance

SPECIFICATION = "1.6"
# What of a report's `system` is a program or library that no Python package has.
TOOLS = ("driver", "cuda", "tensorrt", "deepstream", "gstreamer", "wkhtmltopdf", "compiler", "python")
OPERATING_SYSTEM = ("os", "kernel")
WORKFLOW, EXPORT = "workflow", "export"
PROPERTY = "deepstream-import:environment"


def installed_packages() -> dict[str, str]:
    """Return the versions of the Python packages that this process can import, by name."""
    stated = (each.metadata for each in metadata.distributions())
    found = {package["Name"]: package["Version"] for package in stated if package["Name"]}
    return dict(sorted(found.items(), key=lambda entry: entry[0].lower()))


def listed_packages(lines: Iterable[str]) -> dict[str, str]:
    """Return the versions by name of an environment's packages.txt, name==version lines."""
    return dict(line.strip().split("==", 1) for line in lines if "==" in line)


def project_version() -> str:
    """Return the version of this project."""
    project = Path(__file__).parents[4] / "pyproject.toml"
    return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]


def software_bill(
    data: BenchmarkData,
    provenance: Provenance,
    packages: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the bill for benchmark_data.json and provenance.json; `packages` are by environment, name to version.

    What was not measured with is absent, and equal inputs give an equal bill.
    """
    system = vars(data.system)
    components = [
        _model(data.model_name, provenance),
        *(_component("application", name, system[name]) for name in TOOLS if system[name]),
        *(_component("operating-system", name, system[name]) for name in OPERATING_SYSTEM if system[name]),
        *(_package(name, of, kind) for kind, found in packages.items() for name, of in found.items()),
    ]
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([data.measured_utc, components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": number.urn,
        "version": 1,
        "metadata": {
            "timestamp": data.measured_utc,
            "component": _component("application", "deepstream-import", project_version()),
        },
        "components": components,
    }


def _component(kind: str, name: str, version: object) -> dict[str, Any]:
    return {"type": kind, "bom-ref": f"{kind}/{name}", "name": name, "version": str(version)}


def _package(name: str, version: str, environment: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
    return _component("library", name, version) | {
        "bom-ref": f"{environment}/{name}",
        "purl": purl,
        "properties": [{"name": PROPERTY, "value": environment}],
    }


def _model(name: str, provenance: Provenance) -> dict[str, Any]:
    files = [
        {
            "type": "file",
            "bom-ref": f"file/{file.name}",
            "name": file.name,
            "hashes": [{"alg": "SHA-256", "content": file.sha256}],
        }
        for file in provenance.files
    ]
    revision = provenance.revision or provenance.requested_revision or "as its files' hashes say"
    model = _component("machine-learning-model", name, revision) | {"components": files}
    if stated := provenance.license:
        model["licenses"] = [{"license": {"name": stated}}]
    return model
