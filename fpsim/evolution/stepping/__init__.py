"""Time stepping within a tolerance: error estimate, step control, moving grids."""
