"""Whose scan a DICOM series is, of which day, and on what it was made, for the first page of a report."""

from __future__ import annotations

from pydicom.dataset import Dataset


def patient_of(header: Dataset) -> str:
    """Name and ID as a reader writes them; "" where the header has neither."""
    parts = str(header.get("PatientName") or "").split("=")[0].split("^")
    name = ", ".join(filter(None, (part.strip() for part in parts[:2])))
    number = str(header.get("PatientID") or "").strip()
    return f"{name} ({number})" if name and number else name or number


def day_of(header: Dataset) -> str:
    """YYYY-MM-DD of the acquisition, else of the series or study; "" where none is stated."""
    for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"):
        date = str(header.get(keyword) or "")
        if len(date) == 8 and date.isdigit():
            return f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return ""


def scanner_of(header: Dataset) -> str:
    """Manufacturer, model and field strength; "" where none is stated."""
    words = [str(header.get(keyword) or "").strip() for keyword in ("Manufacturer", "ManufacturerModelName")]
    tesla = header.get("MagneticFieldStrength")
    return " ".join(filter(None, (*words, f"{float(tesla):g} T" if tesla else "")))
