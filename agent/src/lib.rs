//! What a machine owns: journal, steps, hooks and mounts. The same binary is every hook tool.
