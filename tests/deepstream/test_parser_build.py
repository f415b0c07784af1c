import ctypes
import shutil
from pathlib import Path

import pytest

from dsbench.deepstream.parser_build import (
    OBJECT_BYTES,
    SOURCE,
    ParserBuildError,
    check_symbol,
    compile_parser,
    write_parser_sources,
)
from dsbench.families.declared import families, family_named

PARSERS = Path(__file__).parents[2] / "workflow/parsers"
FAMILY = family_named("rt_detr")
TENSORS = {"logits": "logits", "boxes": "pred_boxes"}
HEADS = {family.head.parser_source: family for family in families()}


@pytest.fixture
def directory(tmp_path):
    target = tmp_path / "parser"
    write_parser_sources(FAMILY, TENSORS, FAMILY.all_settings(), PARSERS, target)
    return target


def test_sources_are_complete_and_build_a_library_with_the_symbol(directory, tmp_path):
    library = compile_parser(directory, None, 28, tmp_path / "logs/make.log")
    check_symbol(library, FAMILY.head.parser_symbol)
    assert "-Werror" in (tmp_path / "logs/make.log").read_text()


def test_makefile_names_its_parser_and_leaves_no_placeholder(directory):
    makefile = (directory / "Makefile").read_text()
    assert (
        SOURCE in makefile and FAMILY.head.parser_symbol in makefile and "@" not in makefile.replace("$@", "")
    )


def test_missing_symbol_is_named(directory, tmp_path):
    library = compile_parser(directory, None, 28, tmp_path / "make.log")
    with pytest.raises(ParserBuildError, match="exports no NvDsInferParseYolo"):
        check_symbol(library, "NvDsInferParseYolo")


def test_file_that_is_no_library_is_refused(tmp_path):
    (tmp_path / "libparser.so").write_text("not ELF")
    with pytest.raises(ParserBuildError, match="could not load"):
        check_symbol(tmp_path / "libparser.so", FAMILY.head.parser_symbol)


def test_compiler_error_leaves_its_words_in_the_log_and_no_library(directory, tmp_path):
    (directory / SOURCE).write_text("this is not C++\n")
    (directory / "libparser.so").write_text("an older library")
    with pytest.raises(ParserBuildError, match="make exited with 2"):
        compile_parser(directory, None, 28, tmp_path / "make.log")
    assert "error" in (tmp_path / "make.log").read_text()
    assert not (directory / "libparser.so").exists()


def test_an_installed_deepstreams_headers_are_used(directory, tmp_path):
    includes = tmp_path / "deep stream/sources/includes"
    shutil.copytree(PARSERS / "include", includes)
    shutil.rmtree(directory / "include")
    compile_parser(directory, tmp_path / "deep stream", 28, tmp_path / "make.log")


@pytest.mark.parametrize("has_cuda", [False, True])
def test_headers_that_ask_for_a_cuda_that_is_not_there_give_way_to_the_projects_own(
    directory, tmp_path, monkeypatch, has_cuda
):
    includes = tmp_path / "deepstream/sources/includes"
    shutil.copytree(PARSERS / "include", includes)
    header = includes / "nvdsinfer.h"
    header.write_text(f"#include <cuda_runtime_api.h>\n{header.read_text()}")
    monkeypatch.setenv("CUDA_DIR", str(tmp_path / "cuda"))
    if has_cuda:
        (tmp_path / "cuda/include").mkdir(parents=True)
        (tmp_path / "cuda/include/cuda_runtime_api.h").touch()
    library = compile_parser(directory, tmp_path / "deepstream", 28, tmp_path / "make.log")
    check_symbol(library, FAMILY.head.parser_symbol)
    said = (tmp_path / "make.log").read_text()
    assert ("-Iinclude" in said) != has_cuda
    assert ("headers ask for CUDA's cuda_runtime_api.h, which is not here" in said) != has_cuda


def test_other_missing_header_of_deepstream_is_the_compilers_word(directory, tmp_path):
    includes = tmp_path / "deepstream/sources/includes"
    shutil.copytree(PARSERS / "include", includes)
    (includes / "nvdsinfer.h").unlink()
    with pytest.raises(ParserBuildError, match="make exited with 2"):
        compile_parser(directory, tmp_path / "deepstream", 28, tmp_path / "make.log")


@pytest.mark.parametrize("object_bytes", OBJECT_BYTES)
@pytest.mark.parametrize("family", HEADS.values(), ids=HEADS)
def test_every_head_compiles_without_a_warning_for_both_object_sizes_of_a_deepstream(
    family, object_bytes, tmp_path
):
    target, deepstream = tmp_path / "parser", tmp_path / "deepstream"
    tensors = {role: role for role in family.head.roles}
    write_parser_sources(family, tensors, family.all_settings(), PARSERS, target)
    (deepstream / "sources").mkdir(parents=True)
    shutil.move(target / "include", deepstream / "sources/includes")
    if object_bytes == 24:
        header = deepstream / "sources/includes/nvdsinfer.h"
        newer = ", INT64 = 4, UINT8 = 5"
        assert newer in header.read_text()
        header.write_text(header.read_text().replace(newer, ""))
    makefile = target / "Makefile"
    # What the optimiser would say is said where the parsers are built to be called.
    makefile.write_text(makefile.read_text().replace("-O3", "-O0"))
    library = compile_parser(target, deepstream, object_bytes, tmp_path / "make.log")
    said = (tmp_path / "make.log").read_text()
    assert f'-isystem "{deepstream}/sources/includes"' in said and "-Iinclude" not in said
    assert "warning" not in said
    check_symbol(library, family.head.parser_symbol)
    stated = ctypes.c_uint.in_dll(ctypes.CDLL(str(library)), "NvDsInferParseObjectBytes")
    assert stated.value == object_bytes


def test_headers_with_another_object_size_do_not_compile(directory, tmp_path):
    includes = tmp_path / "deepstream/sources/includes"
    shutil.copytree(PARSERS / "include", includes)
    header = includes / "nvdsinfer.h"
    header.write_text(header.read_text().replace("#if DEEPSTREAM_OBJECT_BYTES == 28", "#if 0"))
    with pytest.raises(ParserBuildError):
        compile_parser(directory, tmp_path / "deepstream", 28, tmp_path / "make.log")
    assert "OBJECT_BYTES is not the object size" in (tmp_path / "make.log").read_text()


def test_other_object_sizes_are_refused(directory, tmp_path):
    with pytest.raises(ParserBuildError, match="28 or 24"):
        compile_parser(directory, None, 32, tmp_path / "make.log")


def test_missing_compiler_is_one_sentence(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParserBuildError, match="make is not on PATH"):
        compile_parser(directory, None, 28, tmp_path / "make.log")
