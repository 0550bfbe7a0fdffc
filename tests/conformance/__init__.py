"""What the RFCs ask of a resource server, one row per line of the list in `ids.py`."""
