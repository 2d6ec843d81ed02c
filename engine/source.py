"""The DICOM slices that a scan was read from, for results that refer to them."""

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
# What places a slice among others, beyond what reading its pixels needs.
REFERENCE = (
    *("SOPClassUID", "FrameOfReferenceUID", "PositionReferenceIndicator", "SliceThickness"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Source:
    """The headers of the slices, without pixels, in any order.

    They name the patient, so it is never shown: neither by `repr` nor in a message.
    """

    headers: tuple[Dataset, ...]
