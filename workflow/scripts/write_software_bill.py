"""Write what measured, and the model it measured, as a CycloneDX bill of materials."""

import json
from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.report.report_records import BenchmarkData
from dsbench.report.software_bill import EXPORT, WORKFLOW, installed_packages, listed_packages, software_bill
from dsbench.sources.source import Provenance

with explained(snakemake.log[0]):
    packages = {WORKFLOW: installed_packages()}
    if environment := snakemake.input.get("environment"):
        packages[EXPORT] = listed_packages(Path(environment).read_text(encoding="utf-8").splitlines())
    provenance = read_record(snakemake.input.provenance, Provenance)
    bill = software_bill(read_record(snakemake.input.data, BenchmarkData), provenance, packages)
    write_whole(snakemake.output[0], json.dumps(bill, indent=1) + "\n")
