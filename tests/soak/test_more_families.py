"""Every family's tiny model to a checked ONNX, those too that tests/workflow/test_family_exports.py leaves out."""

import pytest

from exported_families import EXPORTED, check_export, check_repairs


@pytest.mark.parametrize("family", EXPORTED)
def test_family_goes_from_folder_to_checked_onnx(family, zoo, finished, tmp_path):
    check_export(family, zoo, finished, tmp_path)


def test_repairs_are_proven_like_every_export(zoo, finished, tmp_path):
    check_repairs("deformable_detr", zoo, finished, tmp_path)
