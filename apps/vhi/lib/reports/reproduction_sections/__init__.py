"""One module per kind of analysis of the page about the authors' repository."""
