"""What kernels share. A module that begins with an underscore is no kernel."""

ALPHA = 0.5
