"""Many scans: overlap, agreement, response and what they rest on. Numbers and arrays only."""
