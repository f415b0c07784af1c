"""List an NGC model and bring it to disk: by `ngc` where that can be used, else by HTTPS; its archive unpacked."""

import shutil
from collections.abc import Callable
from pathlib import Path

from dsbench.intake.file_choice import IntakeError, choose_files
from dsbench.intake.onnx_files import external_names
from dsbench.sources import ngc, ngc_cli
from dsbench.sources.archive import unpack
from dsbench.sources.download import DownloadError
from dsbench.sources.source import RemoteFile, Source
from dsbench.sources.source_files import check_regular
from dsbench.tools.tool_run import report_progress


def list_model(source: Source) -> dict:
    """Return `revision` (the version), `license` and `files` (RemoteFile) of an NGC model as they are now."""
    if ngc_cli.is_installed():
        try:
            return ngc_cli.list_by_cli(source)
        except ngc_cli.NoOrganisationError as error:
            _tell(error)
    return ngc.list_by_api(source)


def _tell(error: ngc_cli.NoOrganisationError) -> None:
    report_progress(f"{error}; NGC's API is asked instead (NGC_CLI_ORG names the organisation to ngc)")


def file_fetcher(source: Source, version: str, folder: Path, partial: Path) -> Callable[[RemoteFile], None]:
    """Return what brings one listed file to `folder`; with a usable `ngc` on PATH the whole version comes at once."""
    if ngc_cli.is_installed() and not folder.is_dir():
        try:
            ngc_cli.download_model(source.name, version, folder)
        except ngc_cli.NoOrganisationError as error:
            _tell(error)

    def bring(file: RemoteFile) -> None:
        if not (ngc_cli.is_installed() and (folder / file.name).exists()):
            return ngc.fetch_model_file(source.name, version, file, folder / file.name, partial)
        check_regular(folder / file.name, folder)
        if difference := file.difference(folder / file.name):
            raise DownloadError(
                f"{source.name}: ngc left {file.name} with {difference}; delete {folder} and run again."
            )

    return bring


def unpack_archive(archive: Path, name: str) -> tuple[Path, list[str]]:
    """Return the folder the content of `archive` lies in, unpacked once, and the names to take from it.

    Single folders that only wrap the content are stepped into. Raises IntakeError when no ONNX is in it.
    """
    check_regular(archive, archive.parent)
    place = archive.with_name(f"{archive.name}.unpacked")
    if not place.is_dir():
        scratch = archive.with_name(f"{archive.name}.scratch")
        shutil.rmtree(scratch, ignore_errors=True)
        unpack(archive, scratch)
        scratch.rename(place)
    while len(inside := list(place.iterdir())) == 1 and inside[0].is_dir():
        place = inside[0]
    names = [path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if path.is_file()]
    taken = set(choose_files(names, f"{name}, {archive.name}").taken)
    for onnx in [one for one in taken if one.lower().endswith(".onnx")]:
        external = {(Path(onnx).parent / other).as_posix() for other in external_names(place / onnx)}
        if missing := sorted(external - set(names)):
            raise IntakeError(f"{onnx}: its external data {missing[0]} is not in {archive.name}.")
        taken |= external
    return place, sorted(taken)
