"""What concerns Spark and needs no machine: sizes, settings, and the master's answers."""
