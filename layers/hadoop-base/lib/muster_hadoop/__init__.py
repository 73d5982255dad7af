"""What concerns Hadoop and needs no machine: properties, and which libraries fit together."""
