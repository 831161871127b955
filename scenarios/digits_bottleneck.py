"""Digits through a one-neuron bottleneck: the same as ``fpsim run digits-bottleneck``; options are passed on."""

import sys

from fpsim.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["run", "digits-bottleneck", *sys.argv[1:]]))
