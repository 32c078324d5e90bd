"""An archive of DICOM files behind DICOMweb, for demonstrations, tests and small sites, with nothing else installed."""

from .running import EmbeddedArchive, open_archive, serve_here

__all__ = ["EmbeddedArchive", "open_archive", "serve_here"]
