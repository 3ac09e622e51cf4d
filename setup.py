"""Ships experiments/ as the package al_lightning.experiments; all else stands in pyproject.toml.

pyproject.toml can either find packages or list them. This finds those of the code and adds the one folder that lies
beside them.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["al_lightning", "al_lightning.*"]), "al_lightning.experiments"],
    package_dir={"al_lightning.experiments": "experiments"},
)
