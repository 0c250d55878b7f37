"""The pass pipeline: from a kernel's PrimFunc to its reader, compute and writer programs."""
