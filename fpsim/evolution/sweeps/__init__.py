"""Split one-dimensional sweeps: semi-Lagrangian drift, compact diffusion along axes and lattice offsets."""
