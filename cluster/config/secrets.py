"""No secret in a configuration: it is written beside the run, in the report, and to trackers.

Credentials come from the environment. A simulator or a tracker that needs one names the variable,
`${env:NAME}`; the name is written, the value is read where it is used (`sim_actors.simulators.registry`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imitation.common.storage.errors import without_secrets

# as a word of a key: "api_token", "client-secret", "sas"; and glued together: "apikey", "accessKeyId"
_SECRET = re.compile(
    r"(^|[_\W])(secret|token|password|passwd|pwd|passphrase|credentials?|sas|sig|signature)([_\W]|$)"
    r"|(api|access|private|secret|account|auth)[_-]?key|authtoken",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"://[^/@]*:[^@]*@")
_ENVIRONMENT = re.compile(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}")


def check_no_secrets(config: Mapping[str, Any]) -> None:
    """Raises ValueError, without the value, for a URI with a user and password or a secret among its
    options, and for text under a key such as "token" that is no `${env:NAME}`."""
    for key, value in _texts(config, ""):
        if _PASSWORD.search(value) and without_secrets(value) != value:
            raise ValueError(
                f"{key} holds a user and password ({without_secrets(value)}), and the configuration is "
                "written beside the run and into the report; take them out and give them by the "
                "environment (S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; MLflow: "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD)"
            )
        if "://" in value and (name := secret_option(value)):
            raise ValueError(
                f"{key} holds a secret, its option {name!r}, and the configuration is written beside the "
                "run and into the report; give it by the environment"
            )
        if _SECRET.search(key.rpartition(".")[2]) and value and not _ENVIRONMENT.fullmatch(value):
            raise ValueError(
                f"{key} looks like a secret, and the configuration is written beside the run and into the "
                "report; name an environment variable instead, ${env:NAME}: it is read where it is "
                "needed"
            )


def secret_option(uri: str) -> str | None:
    """The name of an option of a URI that is a secret, such as "client_secret"; None if there is none."""
    for option in uri.partition("?")[2].split("&"):
        name, equals, value = option.partition("=")
        if equals and value and _SECRET.search(name):
            return name
    return None


def masked(key: str, value: Any, plain: bool = False) -> str:
    """A value for a message (`repr`, unless it is `plain` text) without what is secret in it."""
    if _SECRET.search(key.rpartition(".")[2]) and not plain:
        return "(not shown)"
    text = without_secrets(value if plain else repr(_hidden(value)))
    return re.sub(
        r"([?&])([^=&\s'\"]+)=([^&\s'\"]+)",
        lambda m: f"{m[1]}{m[2]}=..." if _SECRET.search(m[2]) else m[0],
        text,
    )


def _hidden(value: Any) -> Any:
    """Plain data without what stands under a secret's name."""
    if isinstance(value, Mapping):
        return {
            key: "(not shown)" if _SECRET.search(str(key)) else _hidden(inner) for key, inner in value.items()
        }
    return [_hidden(inner) for inner in value] if isinstance(value, list | tuple) else value


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every text in plain data, with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner, key)
