"""What one can add to al_lightning from a package of one's own; pyproject.toml names it as entry points."""
