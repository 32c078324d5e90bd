"""The sections of a cohort report, one function each: from a result to sentences, tables, figures and records."""
