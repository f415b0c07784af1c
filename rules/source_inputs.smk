"""Input functions: which files a source gives to which rule."""

from functools import cache
from types import SimpleNamespace

from dsbench.call_options import runs_jobs, settings_of
from dsbench.fetched_source import read_fetched, what_is_lost
from dsbench.local_source import choose_local, local_folder
from dsbench.model_names import named_models, patterns_by_source
from dsbench.read_once import read_once
from dsbench.source import locate, parse_source
from dsbench.source_folder import SourceFolder

# Where a path in the configuration is looked for.
SOURCE_BASES = list(dict.fromkeys([".", str(PROJECT)]))
SOURCE_FOLDERS = [Path(base) for base in SOURCE_BASES]


def is_remote(text):
    """Tell a source on a hub; what is no source at all is refused where its files are asked for."""
    try:
        return parse_source(text, SOURCE_FOLDERS).is_remote
    except BuildError:
        return False


LOCAL_MODELS, REMOTE_MODELS = patterns_by_source(config["models"], config["source"], is_remote)


def source_text(wildcards):
    return entry_of(wildcards)["source"]


@cache
def files_of(text):
    """Return the files of the source `text` on disk as the DAG first sees them; each model asks many times."""
    try:
        source = parse_source(text, SOURCE_FOLDERS)
        if source.is_remote:
            return ()
        files = tuple(str(local_folder(source) / name) for name in choose_local(source).taken)
        for file in files:
            refuse_braces("the path of a source's file", file)
        return files
    except BuildError as error:
        raise WorkflowError(str(error)) from None


def files_of_source(wildcards):
    """Return the files of a source on disk; a remote one is first looked at when its job runs."""
    return list(files_of(source_text(wildcards)))


# A remote revision is resolved once: no parameter but the source text makes list_source run again.
def listing_code(wildcards):
    return code_version("source_listing") if files_of_source(wildcards) else None


def source_bases(wildcards):
    return SOURCE_BASES if files_of_source(wildcards) else []


def labels_of_config(wildcards):
    """Return the text file with class names that a model's entry names, in a list; [] where it names none."""
    named = entry_of(wildcards).get("labels")
    try:
        labels = [] if named is None else [str(locate(named, SOURCE_FOLDERS))]
        for file in labels:
            refuse_braces("the path of the class names", file)
        return labels
    except BuildError as error:
        raise WorkflowError(str(error)) from None


def fetch_record(wildcards):
    """The record of a fetched source, so that Snakemake asks again for what follows once it is made."""
    return [] if files_of_source(wildcards) else f"build/sources/{wildcards.model}.json"


def fetched_files(wildcards):
    """Return every file of a source by its path; of a remote one [] until it has been fetched."""
    if local := files_of_source(wildcards):
        return local
    try:
        source = read_once(read_fetched, Path(fetch_record(wildcards)))
    except FileNotFoundError:
        return []
    except BuildError as error:
        raise WorkflowError(str(error)) from None
    return [str(source.folder / name) for name in source.names]


def files_to_export(wildcards):
    """Return the files of a source that an ONNX is made of: all but its prose."""
    return [file for file in fetched_files(wildcards) if not file.endswith(".md")]


def file_of_source(name):
    """Return the input function for one file of a source, so that a rule reruns only for that one; [] without it."""
    return lambda wildcards: next((f for f in fetched_files(wildcards) if Path(f).name == name), [])


def labels_of_source(wildcards):
    """Return the text file with class names: named in the config, else the source's own, else []."""
    return next(iter(labels_of_config(wildcards)), None) or file_of_source("labels.txt")(wildcards)


def known_source(wildcards):
    """Return the folder of a source and the names taken from it; of a remote one None until it has been fetched."""
    files = fetched_files(wildcards)
    return SourceFolder.of(files) if files else None


def config_of_source(wildcards):
    """The accepted config.json, so that a refused architecture stops before anything is made."""
    source = known_source(wildcards)
    return [f"models/{wildcards.model}/config/config.json"] if source and source.has_config else []


def inspection_without_config(wildcards):
    """What the graph says, where no config.json says it."""
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


# Said before the DAG is made, where it is one sentence and not the middle of a traceback.
if workflow.is_main_process:
    for name in named_models(sys.argv[1:]):
        files_of_source(SimpleNamespace(model=name))
        labels_of_config(SimpleNamespace(model=name))

# Without its record Snakemake fetches a source again. Calls that run no jobs are told of it as they ask.
if workflow.is_main_process:
    for name in dict.fromkeys([*config["models"], *named_models(sys.argv[1:])]):
        record = fetch_record(SimpleNamespace(model=name))
        if record and (lost := what_is_lost(Path(record))) and runs_jobs(settings_of(sys.argv[1:])):
            Path(record).unlink(missing_ok=True)
            print(lost, file=sys.stderr)
