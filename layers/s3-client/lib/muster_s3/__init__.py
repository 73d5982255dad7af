"""What concerns the object store and needs no machine."""
