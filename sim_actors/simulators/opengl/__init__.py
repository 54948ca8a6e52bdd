"""The embedded simulator: moderngl on EGL, the same code on a GPU and on a CPU (Mesa llvmpipe)."""
