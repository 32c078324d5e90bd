"""The server's work without a server: ids in, answers out."""
