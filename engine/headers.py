"""The headers of the DICOM slices that a scan was read from, for results that refer to them."""

from dataclasses import dataclass

from pydicom import Dataset

# Who and which study it is: results in DICOM repeat it, and nothing else of ours shows it.
IDENTITY = (
    *("SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID"),
    *("PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName"),
    *("ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID"),
    *("ClinicalTrialSubjectReadingID", "ClinicalTrialTimePointID"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
# Where a slice lies in the patient.
PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
# How a result names and places a slice.
REFERENCE = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "Modality", "Rows", "Columns"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *(*PLACE, "SliceThickness"),
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Headers:
    """`IDENTITY` and `REFERENCE` of each slice, with its file's meta information, in any order.

    They name the patient, so they are never shown: neither by `repr` nor in a message.
    """

    slices: tuple[Dataset, ...]
