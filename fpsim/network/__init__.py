"""Networks: what is trained, its output, its loss and its per-sample gradients."""

from fpsim.network.activations import Activation, activation, register_activation
from fpsim.network.autoencoder import AutoEncoder, BottleneckAutoEncoder, Network
from fpsim.network.gradients import forward, loss, sample_gradients, sample_losses
from fpsim.network.losses import mean_loss
from fpsim.network.moments import GradientMoments, gradient_moments
from fpsim.network.outputs import Outputs, network_outputs

__all__ = [
    "Activation",
    "AutoEncoder",
    "BottleneckAutoEncoder",
    "GradientMoments",
    "Network",
    "Outputs",
    "activation",
    "forward",
    "gradient_moments",
    "loss",
    "mean_loss",
    "network_outputs",
    "register_activation",
    "sample_gradients",
    "sample_losses",
]
