"""The code of the layers, one module a layer."""
