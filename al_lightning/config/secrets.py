"""Keys and tokens: refused in a configuration, which is saved, logged and shared. Imports no torch."""

from __future__ import annotations

import re
from typing import Any

from al_lightning.config.interpolation import is_interpolation, texts
from al_lightning.config.schema import ConfigError

NAMES = re.compile(
    r"(^|[_.-])(token|api_?key|access_?key|private_?key|password|passwd|passphrase|secret|credentials?)s?"
    r"(?!.*[_.-](variable|env|file|path)$)($|[_.-])",
    re.IGNORECASE,
)
"""Keys whose value is a secret, and not the place where it is (`token_file`)."""
SHAPES = {
    "an API key of Weights & Biases": r"([0-9a-f]{40}|wandb_v\d+_\w{20,}|local-[0-9a-f]{40})",
    "a token of Hugging Face": r".*\bhf_[A-Za-z0-9]{30,}.*",
    "a token of GitHub": r".*\b(gh[opsur]_[A-Za-z0-9]{36,}|github_pat_\w{40,}).*",
    "a token of GitLab": r".*\bglpat-[\w-]{20,}.*",
    "an API key": r".*\bsk-[A-Za-z0-9_-]{20,}.*",
    "an access key of AWS": r".*\b(AKIA|ASIA)[A-Z0-9]{16}\b.*",
    "an API key of Google": r".*\bAIza[\w-]{35}.*",
    "a token of Slack": r".*\bxox[abprs]-[\w-]{10,}.*",
    "a personal access token (a JSON web token)": r".*\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}.*",
    "a private key": r".*-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
    "an address with a password": r".*\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@.*",
}
"""What it is -> what the whole value looks like."""
PATTERNS = {what: re.compile(shape, re.DOTALL) for what, shape in SHAPES.items()}
LONGEST = 20_000
"""Characters of a value that are looked at."""


def check_secrets(layer: Any) -> None:
    """Refuse keys and values of one layer that are secrets; the message does not show the value.

    Args:
        layer: plain mappings and lists, with interpolations as they are written.

    Raises:
        ConfigError: the first one found.
    """
    for path, value in texts(layer):
        key = ".".join(map(str, path))
        if is_interpolation(value):
            continue
        what = next((what for what, shape in PATTERNS.items() if shape.fullmatch(value[:LONGEST])), None)
        if what is None and value and any(NAMES.search(str(part)) for part in path):
            what = "a secret by the name of its key"
        if what is not None:
            raise ConfigError(
                f"{key}: holds {what}, and a config is saved with each run and logged; remove it, and set the "
                "environment variable of the service, such as WANDB_API_KEY"
            )
