"""Other files that belong to an image are confined as the image itself is."""

import nibabel as nib
import numpy as np
import pytest
from dicom_series import series, written

from totalseg_mcp.engine.errors import OutOfReachError
from totalseg_mcp.engine.files import read
from totalseg_mcp.engine.reach import Reach


def test_a_link_in_a_dicom_folder_may_not_lead_out(tmp_path):
    written(tmp_path / "outside", series())
    (tmp_path / "allowed").mkdir()
    for file in (tmp_path / "outside").iterdir():
        (tmp_path / "allowed" / file.name).symlink_to(file)
    assert read(tmp_path / "allowed").form == "dicom", "unconfined, links are followed"
    with pytest.raises(OutOfReachError, match="outside"):
        read(tmp_path / "allowed", Reach((tmp_path / "allowed",)))


@pytest.mark.parametrize("given", ["a.hdr", "a.img"])
def test_the_other_file_of_a_pair_may_not_be_a_link_that_leads_out(tmp_path, given):
    for name in ("outside", "allowed"):
        (tmp_path / name).mkdir()
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.Nifti1Pair(data, np.eye(4)).to_filename(tmp_path / "allowed" / "a.img")
    other = {"a.hdr": "a.img", "a.img": "a.hdr"}[given]
    (tmp_path / "allowed" / other).rename(tmp_path / "outside" / other)
    (tmp_path / "allowed" / other).symlink_to(tmp_path / "outside" / other)
    with pytest.raises(OutOfReachError, match="outside"):
        read(tmp_path / "allowed" / given, Reach((tmp_path / "allowed",)))
