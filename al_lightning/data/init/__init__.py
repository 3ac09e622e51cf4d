"""From a folder to an experiment: what lies there, what is not clear, and the YAML that reads it. Imports no torch."""
