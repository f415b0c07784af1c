"""Sources through the whole workflow: one line of config, one download, nothing again, no token anywhere."""

import ast
import json
import os
import re
import shutil

import pytest
from hub_server import COMMIT, OTHER_COMMIT, HubServer, Repository
from ngc_server import NgcServer

import tiny_graphs as graphs
from declared_rules import declared_rules
from small_files import layout, onnx, safetensors, tensor, write
from workflow_run import PROJECT, files, planned, snakemake

TOKEN = "hf_secretTokenOfTheTests"
KEY = "nvapi-secretKeyOfTheTests"
CONFIG = "models: {yolos: {source: org/model}}\n"


def served():
    """Serve a repository of one detector."""
    server = HubServer()
    server.repositories["org/model"] = Repository(layout())
    yield server
    server.shutdown()
    server.server_close()


hub = pytest.fixture(served)
first_hub = pytest.fixture(served, scope="module")


def run(tree, hub, *arguments, config=CONFIG, **env):
    address = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tree / "hf_home")}
    return snakemake(tree, *arguments, config=config, env=address | {"HF_TOKEN": ""} | env)


PROVENANCE = "models/yolos/model/provenance.json"
COPIED = "models/yolos/config/config.json"


@pytest.fixture(scope="module")
def fetched_once(tmp_path_factory, first_hub):
    """A tree with a fetched source; never changed by a test."""
    tree = tmp_path_factory.mktemp("fetched")
    done = run(tree, first_hub, COPIED, HF_TOKEN=TOKEN, NGC_API_KEY=KEY)
    assert done.returncode == 0, done.stdout[-3000:]
    return tree


@pytest.fixture
def fetched(fetched_once, tmp_path):
    """A copy of that tree, from where paths to the project are the same."""
    return shutil.copytree(fetched_once, tmp_path, dirs_exist_ok=True)


def test_one_line_of_config_is_a_pinned_and_recorded_source(fetched_once):
    provenance = json.loads((fetched_once / PROVENANCE).read_text())
    assert provenance["revision"] == COMMIT
    assert provenance["license"] == "apache-2.0"
    assert {entry["name"] for entry in provenance["files"]} == set(layout())
    record = json.loads((fetched_once / "build/sources/yolos.json").read_text())
    assert record["folder"] == f"build/downloads/huggingface/org--model/{COMMIT}"


def test_no_token_is_anywhere_on_disk(fetched_once):
    everything = [path for path in fetched_once.rglob("*") if path.is_file()]
    assert any(".snakemake/metadata" in str(path) for path in everything)
    for secret in (TOKEN, KEY):
        assert not [path for path in everything if secret.encode() in path.read_bytes()]


def test_second_call_offline_does_nothing(fetched, hub):
    hub.shutdown()
    done = run(fetched, hub, COPIED, HF_HUB_OFFLINE="1")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


def test_a_dry_run_contacts_nobody(tmp_path, hub):
    done = run(tmp_path, hub, "-n", COPIED)
    assert planned(done.stdout) == {"copy_config": 1, "fetch_source": 1, "list_source": 1}
    assert "more jobs may follow from what these find out: fetch_source\n" in done.stdout
    assert not hub.requests


def input_functions_of_sources():
    """Return the functions in rules/source_inputs.smk whose answer changes once a source is fetched."""
    code = ast.parse((PROJECT / "rules/source_inputs.smk").read_text())
    uses = {
        function.name: {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        for function in ast.walk(code)
        if isinstance(function, ast.FunctionDef)
    }
    found = {"fetched_files"}
    while more := {name for name, used in uses.items() if used & found} - found:
        found |= more
    return found


def test_every_rule_that_asks_for_files_of_a_source_takes_its_record():
    asked = input_functions_of_sources()
    asking = {rule.name: rule for rule in declared_rules() if asked & set(rule.calls)}
    assert {"export_onnx", "write_labels", "prove_preprocessing"} < asking.keys()
    assert [
        name for name, rule in asking.items() if "fetch_record" not in rule.takes.get("fetched", [])
    ] == []


@pytest.mark.parametrize("arguments", [[], ["--until", "copy_config"]])
def test_jobs_after_a_download_have_its_files_in_one_call(tmp_path, hub, arguments):
    graphs.write(graphs.queries(background=True), tmp_path / "model.onnx")
    content = {"model.onnx": (tmp_path / "model.onnx").read_bytes(), "labels.txt": b"car\nbus\nvan\n"}
    hub.repositories["org/model"] = Repository(content)
    done = run(tmp_path, hub, COPIED, "models/yolos/config/labels.txt", *arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    assert json.loads((tmp_path / COPIED).read_text())["model_type"] == "softmax_queries"
    assert (tmp_path / "models/yolos/config/labels.txt").exists() is not bool(arguments)
    assert "Nothing to be done" in run(tmp_path, hub, COPIED, *arguments).stdout


def test_another_model_of_the_same_commit_downloads_nothing(fetched, hub):
    config = f"models: {{yolos: {{source: org/model}}, other: {{source: 'hf:org/model@{COMMIT}'}}}}\n"
    done = run(fetched, hub, "models/other/model/provenance.json", config=config)
    assert done.returncode == 0, done.stdout[-3000:]
    assert not hub.fetched("model.safetensors")


def test_revision_is_resolved_again_only_when_asked(fetched, hub):
    repository = hub.repositories["org/model"]
    repository.old, repository.commit = {COMMIT: repository.files}, OTHER_COMMIT
    repository.files = layout(model__safetensors=safetensors(data=bytes(range(16))))
    assert "Nothing to be done" in run(fetched, hub, COPIED).stdout
    done = run(fetched, hub, COPIED, "-R", "list_source")
    assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads((fetched / PROVENANCE).read_text())["revision"] == OTHER_COMMIT


def test_the_same_listing_again_leaves_later_steps_alone(fetched, hub):
    written = (fetched / COPIED).stat().st_mtime_ns
    done = run(fetched, hub, COPIED, "-R", "list_source")
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"^\[1/\d+\] list_source yolos +\d", done.stdout, re.M)
    assert (fetched / COPIED).stat().st_mtime_ns == written


def test_lost_downloads_are_fetched_again_and_make_no_later_step_run(fetched, hub):
    written = (fetched / COPIED).stat().st_mtime_ns
    shutil.rmtree(fetched / "build")
    done = run(fetched, hub, COPIED)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (fetched / COPIED).stat().st_mtime_ns == written
    (fetched / COPIED).unlink()
    assert run(fetched, hub, COPIED).returncode == 0
    assert (fetched / COPIED).exists()


def test_downloads_lost_behind_the_record_are_named_and_come_back(fetched, hub):
    written = (fetched / COPIED).stat().st_mtime_ns
    shutil.rmtree(fetched / "build/downloads")
    says = "gone or changed since it was fetched; the next call that runs jobs fetches it again"
    for option in ("-n", "--touch"):
        done = run(fetched, hub, option, COPIED)
        assert done.returncode != 0
        assert says in done.stdout
    done = run(fetched, hub, COPIED)
    assert done.returncode == 0
    assert says in done.stdout
    assert (fetched / "build/downloads").is_dir()
    assert (fetched / COPIED).stat().st_mtime_ns == written
    assert "Nothing to be done" in run(fetched, hub, COPIED).stdout


def test_a_broken_record_of_a_fetched_source_is_made_again(fetched, hub):
    (fetched / "build/sources/yolos.json").write_text('{"folder": ')
    assert "no whole record of a fetched source; the next call" in run(fetched, hub, "-n", COPIED).stdout
    done = run(fetched, hub, COPIED)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "build/sources/yolos.json: no whole record" in done.stdout
    assert "Nothing to be done" in run(fetched, hub, COPIED).stdout


def test_source_on_the_command_line_needs_no_config_entry(tmp_path, hub):
    target = "models/mine/config/config.json"
    done = run(tmp_path, hub, target, "--config", "source=https://huggingface.co/org/model", config="")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "mine" in str(files(tmp_path / "models"))


def test_source_on_the_command_line_with_a_bad_target_is_refused(tmp_path, hub):
    done = run(tmp_path, hub, "models/$(id)/config/config.json", "--config", "source=org/model", config="")
    assert done.returncode != 0
    assert "models/'$(id)': a model's name has letters" in done.stdout
    assert not (tmp_path / "models").exists()
    assert not hub.requests


def test_refusal_of_the_hub_ends_in_a_sentence_and_no_artefact(tmp_path, hub):
    hub.repositories["org/model"].refusal = (401, {"X_Error_Code": "GatedRepo"})
    done = run(tmp_path, hub, COPIED, HF_TOKEN=TOKEN)
    assert done.returncode != 0
    assert "ERROR org/model: " in done.stdout
    assert "Traceback" not in done.stdout
    assert not [path for path in files(tmp_path) if path.startswith(("models/", "build/sources"))]
    assert TOKEN not in done.stdout


def test_lone_onnx_with_external_data_and_labels_is_taken_where_it_lies(tmp_path, hub):
    model = onnx(tensor(external={"location": "m.data", "length": "16"}))
    folder = write(tmp_path / "mine", {"m.onnx": model, "m.data": bytes(16), "other.onnx": b"not mine"})
    names = tmp_path / "names.txt"
    names.write_text("car;x\n<b>person</b>\n")
    config = f"models: {{yolos: {{source: mine/m.onnx, labels: {names}}}}}\n"
    done = run(tmp_path, hub, PROVENANCE, config=config)
    assert done.returncode == 0, done.stdout[-3000:]
    record = json.loads((tmp_path / "build/sources/yolos.json").read_text())
    assert record["folder"] == "mine"
    assert [entry["name"] for entry in record["files"]] == ["m.data", "m.onnx"]
    assert not (tmp_path / "build/downloads").exists()
    assert "Nothing to be done" in run(tmp_path, hub, PROVENANCE, config=config).stdout
    (folder / "m.data").write_bytes(bytes(range(16)))
    os.utime(folder / "m.data")
    assert planned(run(tmp_path, hub, "-n", PROVENANCE, config=config).stdout) == {
        "list_source": 1,
        "fetch_source_from_disk": 1,
    }


def test_preprocessing_of_safetensors_is_checked_before_the_export_environment(tmp_path, hub):
    hub.repositories["org/model"] = Repository(layout(preprocessor_config__json=None))
    done = run(tmp_path, hub, COPIED)
    assert done.returncode != 0
    says = "neither its ONNX nor a preprocessor_config.json fixes height and width"
    assert says in done.stdout and "Traceback" not in done.stdout
    assert not (tmp_path / COPIED).exists()


def test_config_that_names_no_architecture_leaves_an_onnx_to_its_graph(tmp_path, hub):
    wordless = layout(config__json={"model": "yolov10b.yaml"}, model__safetensors=None)
    hub.repositories["org/model"] = Repository(wordless | {"onnx/model.onnx": onnx(tensor(raw=bytes(16)))})
    done = run(tmp_path, hub, PROVENANCE)
    assert done.returncode == 0, done.stdout[-3000:]
    folder = write(
        tmp_path / "mine", {"config.json": wordless["config.json"], "m.onnx": onnx(tensor(raw=bytes(16)))}
    )
    done = run(
        tmp_path, hub, "models/own/model/provenance.json", config=f"models: {{own: {{source: {folder}}}}}\n"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    hub.repositories["org/model"] = Repository(layout(config__json={"model": "yolov10b.yaml"}))
    done = run(tmp_path, hub, PROVENANCE, "-R", "list_source")
    assert "no architectures, model_type None is not an object detector" in done.stdout


def test_ngc_model_reaches_its_folder(tmp_path, hub):
    ngc = NgcServer()
    content = {"model.onnx": onnx(tensor(raw=bytes(16))), "labels.txt": b"person\n"}
    ngc.models["nvidia/tao/net"] = {"latest": "v1", "versions": {"v1": content}}
    url = "https://catalog.ngc.nvidia.com/orgs/nvidia/teams/tao/models/net"
    done = run(
        tmp_path, hub, PROVENANCE, config=f"models: {{yolos: {{source: '{url}'}}}}\n", NGC_API_URL=ngc.url
    )
    ngc.shutdown()
    assert done.returncode == 0, done.stdout[-3000:]
    record = json.loads((tmp_path / "build/sources/yolos.json").read_text())
    assert record["folder"] == "build/downloads/ngc/nvidia--tao--net/v1"
    assert {entry["name"] for entry in record["files"]} == set(content)
