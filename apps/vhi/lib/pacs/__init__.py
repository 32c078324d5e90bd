"""A PACS by DICOMweb: its client, the cases in it, and what goes back to it."""
