"""Integer directions of a grid: jump rates of diffusion tensors, inside and along reflecting walls."""

from fpsim.lattice.selling import LatticeDiffusion, lattice_diffusion
from fpsim.lattice.tensor_walls import tangential_rates

__all__ = ["LatticeDiffusion", "lattice_diffusion", "tangential_rates"]
