"""Step 1: a source is listed, fetched once and checked."""


# A cluster's compute nodes often have no way to hubs and package registries; the machine that runs Snakemake has.
localrules:
    list_source,
    fetch_source_from_disk,
    fetch_source,
    make_environment_export,
    make_environment_tensorrt_parse,


rule list_source:
    input:
        files_of_source,
    output:
        "models/{model}/model/source.json",
    log:
        "logs/{model}/list_source.log",
    benchmark:
        "logs/{model}/wall_time/list_source.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=listing_code,
        source=source_text,
        bases=source_bases,
    script:
        "../workflow/scripts/list_source.py"


checkpoint fetch_source:
    input:
        listing="models/{model}/model/source.json",
        labels=labels_of_config,
    output:
        fetched="build/sources/{model}.json",
        provenance="models/{model}/model/provenance.json",
    log:
        "logs/{model}/fetch_source.log",
    benchmark:
        "logs/{model}/wall_time/fetch_source.tsv"
    wildcard_constraints:
        model=REMOTE_MODELS,
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("fetch_source"),
        fault=fault_of_labels,
        source=source_text,
        bases=source_bases,
        downloads="build/downloads",
    script:
        "../workflow/scripts/fetch_source.py"


# `use rule` makes no checkpoint of this one. None is needed: the files of a source on disk are known from the start.
use rule fetch_source as fetch_source_from_disk with:
    log:
        "logs/{model}/fetch_source_from_disk.log",
    wildcard_constraints:
        model=LOCAL_MODELS,
