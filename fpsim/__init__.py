"""fpsim: how the probability density of a network's weights moves during training, in theory and in experiment."""

from fpsim._version import __version__

__all__ = ["__version__"]
