"""What we say about speed, and about surviving faults, can be measured here: `python -m benchmarks`."""
