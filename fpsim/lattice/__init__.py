"""Integer directions of a grid: jump rates of diffusion tensors, and the lines that sweeps run along."""

from fpsim.lattice.selling import LatticeDiffusion, lattice_diffusion

__all__ = ["LatticeDiffusion", "lattice_diffusion"]
