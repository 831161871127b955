"""Networks: what is trained, its output, its loss and its per-sample gradients."""

from fpsim.network._activations import Activation, activation, activation_names, register_activation
from fpsim.network._autoencoder import AutoEncoder, BottleneckAutoEncoder, Network
from fpsim.network._gradients import forward, loss, sample_gradients, sample_losses
from fpsim.network._loss import mean_loss
from fpsim.network._moments import GradientMoments, gradient_moments

__all__ = [
    "Activation",
    "AutoEncoder",
    "BottleneckAutoEncoder",
    "GradientMoments",
    "Network",
    "activation",
    "activation_names",
    "forward",
    "gradient_moments",
    "loss",
    "mean_loss",
    "register_activation",
    "sample_gradients",
    "sample_losses",
]
