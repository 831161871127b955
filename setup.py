"""Packages of the distribution; everything else about it stands in setup.cfg.

Data and scenarios lie beside the package in the repository and inside it once installed (fpsim/support/resources.py).
"""

from setuptools import find_packages, setup

RESOURCES = {"fpsim.data": "data", "fpsim.scenarios": "scenarios"}

setup(packages=[*find_packages(include=["fpsim", "fpsim.*"]), *RESOURCES], package_dir=RESOURCES)
