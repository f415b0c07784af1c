"""Input functions: which files a source gives to which rule."""

from functools import cache
from types import SimpleNamespace

from dsbench.core.errors import refuse_unnameable
from dsbench.core.files import read_once
from dsbench.dag.config_check import check_beside, check_family, check_preprocessing
from dsbench.dag.names import asked_models, named_models, patterns_by_source
from dsbench.sources.local_source import choose_local, local_folder
from dsbench.sources.source import SourceFolder, locate, parse_source, read_fetched, what_is_lost

# The folders in which a path of the configuration is looked for.
SOURCE_BASES = list(dict.fromkeys([".", str(PROJECT)]))
SOURCE_FOLDERS = [Path(base) for base in SOURCE_BASES]


@cache
def is_remote(text):
    """Return whether the source is on a hub. A text that is no source is refused when its files are asked for."""
    try:
        return parse_source(text, SOURCE_FOLDERS).is_remote
    except BuildError:
        return False


LOCAL_MODELS, REMOTE_MODELS = patterns_by_source(config["models"], config["source"], is_remote)


def source_text(wildcards):
    return entry_of(wildcards)["source"]


@cache
def files_and_fault(text, listing):
    """Return the files of the source `text` on disk as the DAG first sees them, and a sentence where it is refused.

    `listing` is the model's source.json, which saves looking into an ONNX again. Each model asks many times. A refused
    one has no files: its own first job says why, and no other model waits.
    """
    try:
        source = parse_source(text, SOURCE_FOLDERS)
        if source.is_remote:
            return (), None
        files = tuple(str(local_folder(source) / name) for name in choose_local(source, listing).taken)
        for file in files:
            refuse_unnameable("the path of a source's file", file)
        return files, None
    except BuildError as error:
        return (), str(error)


def files_and_fault_of(wildcards):
    return files_and_fault(source_text(wildcards), Path(f"models/{wildcards.model}/model/source.json"))


def files_of_source(wildcards):
    """Return the files of a source on disk; a remote one is first looked at when its job runs."""
    return list(files_and_fault_of(wildcards)[0])


# A remote revision is resolved once: no parameter but the source text makes list_source run again.
def listing_code(wildcards):
    return None if is_remote(source_text(wildcards)) else code_version("list_source")


def source_bases(wildcards):
    return [] if is_remote(source_text(wildcards)) else SOURCE_BASES


@cache
def labels_and_fault(named):
    """Return the text file `named` in an entry, in a list, and a sentence where there is none of that name."""
    try:
        file = str(locate(named, SOURCE_FOLDERS))
        refuse_unnameable("the path of the class names", file)
        return [file], None
    except BuildError as error:
        return [], str(error)


def labels_of_config(wildcards):
    """Return the text file with class names that a model's entry names, in a list; [] where it names none."""
    named = entry_of(wildcards).get("labels")
    return [] if named is None else labels_and_fault(named)[0]


def fault_of_labels(wildcards):
    """Return why the text file that a model's entry names cannot be used, or None."""
    named = entry_of(wildcards).get("labels")
    return None if named is None else labels_and_fault(named)[1]


def fault_of_entry(wildcards):
    """Return what is wrong with a model's entry, as far as its files on disk tell, or None."""
    try:
        check_family(wildcards.model, entry_of(wildcards))
        check_preprocessing(wildcards.model, entry_of(wildcards))
        check_beside(wildcards.model, entry_of(wildcards), config["models"])
        truth_of(entry_of(wildcards))
    except BuildError as error:
        return str(error)
    return files_and_fault_of(wildcards)[1] or fault_of_labels(wildcards)


def fetch_record(wildcards):
    """The record of a fetched source, so that Snakemake asks again for what follows once it is made.

    What follows a refused source or entry waits for it too, and is never made.
    """
    is_here = files_of_source(wildcards) and not fault_of_labels(wildcards)
    return [] if is_here else f"build/sources/{wildcards.model}.json"


def fetched_files(wildcards):
    """Return every file of a source by its path; [] for a remote source that has not been fetched."""
    if not is_remote(source_text(wildcards)):
        return files_of_source(wildcards)
    try:
        source = read_once(read_fetched, Path(fetch_record(wildcards)))
    except FileNotFoundError:
        return []
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    return [str(source.folder / name) for name in source.names]


def files_to_export(wildcards):
    """Return the files of a source that an ONNX is made of: all but its Markdown files."""
    return [file for file in fetched_files(wildcards) if not file.endswith(".md")]


def file_of_source(name):
    """Return the input function for one file of a source, so that a rule reruns only for that one; [] without it."""
    return lambda wildcards: next((f for f in fetched_files(wildcards) if Path(f).name == name), [])


def labels_of_source(wildcards):
    """Return the text file with class names: named in the config, else the source's own, else []."""
    return next(iter(labels_of_config(wildcards)), None) or file_of_source("labels.txt")(wildcards)


def known_source(wildcards):
    """Return the folder of a source and the names taken from it; None for a remote source that has not been fetched."""
    files = fetched_files(wildcards)
    return SourceFolder.of(files) if files else None


def config_of_source(wildcards):
    """Return the accepted config.json, so that a refused architecture stops the build before anything is made."""
    source = known_source(wildcards)
    return [f"models/{wildcards.model}/config/config.json"] if source and source.has_config else []


def inspection_without_config(wildcards):
    """Return inspect.json, which says what the graph is, for a source without config.json."""
    source = known_source(wildcards)
    if source is None or source.file("config.json"):
        return []
    return f"models/{wildcards.model}/model/inspect.json"


def labels_for_graph(wildcards):
    """Return the text file that an entry names, where class names tell the head of an ONNX; an export needs none."""
    source = known_source(wildcards)
    return labels_of_config(wildcards) if source and source.has_onnx else []


def export_environment(wildcards):
    source = known_source(wildcards)
    return [] if source is None or source.has_onnx else "build/.venv_optimum/packages.txt"


# Said before the DAG is made, where it is one sentence and not the middle of a traceback. With --keep-going the other
# models are built, and the refused one's own jobs say it once more.
if CALL.makes_dag:
    for name in asked_models(sys.argv[1:], CALL.settings.targets, config["models"]):
        if fault := fault_of_entry(SimpleNamespace(model=name)):
            if not CALL.settings.keep_going:
                raise WorkflowError(f"{name}: {fault}")
            print(f"{name}: {fault}", file=sys.stderr)

# Without its record Snakemake fetches a source again. Calls that run no jobs are told of it as they ask.
if CALL.makes_dag:
    for name in dict.fromkeys([*config["models"], *named_models(sys.argv[1:])]):
        wildcards = SimpleNamespace(model=name)
        record = is_remote(source_text(wildcards)) and fetch_record(wildcards)
        if record and (lost := what_is_lost(Path(record))) and CALL.runs_jobs:
            Path(record).unlink(missing_ok=True)
            print(lost, file=sys.stderr)
