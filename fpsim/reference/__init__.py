"""Independent solvers behind the same call, to compare with. Imported only when asked for."""
