"""Writes the connection service file with which the MLflow server reaches the database of its region.

libpq reads the file that PGSERVICEFILE names (PostgreSQL documentation, "The Connection Service File"). So the login is
in no manifest, argument or environment variable: it is read from Secrets Manager of the pod's own region at each start,
and is kept in a volume in memory. After a rotation of the secret, restart the pods.

The connection is encrypted, and the server's certificate is compared with the authority and the host name (PostgreSQL
documentation, "SSL Support", `verify-full`). Without the file of the authority, libpq refuses to connect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from dr import environment
from dr.clients import calls, client
from dr.errors import Failed, Invalid, Problem
from dr.pods.run import log, run

SERVICE = "registry"
"""Name of the service in the file."""
LOGIN = ("username", "password", "dbname", "port")
"""Keys of the secret: those of RDS's own secrets for PostgreSQL."""
REMEDY = "store a JSON object with username, password, dbname and port"


def main() -> None:
    """Write the file that the environment variables name."""
    names = ("AWS_REGION", "DATABASE_SECRET", "DATABASE_HOST", "DATABASE_AUTHORITY", "PGSERVICEFILE")
    region, secret, host, authority, file = environment.read(*names).values()
    write(Path(file), content(read_login(region, secret), host, authority, f"secret {secret}"))
    log(f"{file}: service {SERVICE} leads to {host}")


def read_login(region: str, secret: str) -> dict[str, str]:
    """Return the login of a secret.

    Args:
        region: The pod's own region.
        secret: Name of the secret, the same in both regions.

    Raises:
        Missing: The region has no such secret.
        Failed: The secret cannot be read, for example because the role has no permission.
        Unreachable: The region does not answer.
        Invalid: It is not a login.
    """
    subject = f"secret {secret}"
    with calls(subject, region):
        text = client("secretsmanager", region).get_secret_value(SecretId=secret).get("SecretString", "")
    try:
        found = json.loads(text)
        return {name: str(found[name]) for name in LOGIN}
    except (ValueError, KeyError, TypeError):
        # Without the cause: it could repeat a part of the secret.
        raise Invalid(Problem(subject, f"it has not all of: {', '.join(LOGIN)}", REMEDY)) from None


def content(login: Mapping[str, str], host: str, authority: str, subject: str) -> str:
    """Return the text of the service file. Pure.

    Args:
        login: Keys of `LOGIN`.
        host: Endpoint of the database.
        authority: File with the certificates of the authority.
        subject: The secret, for messages.

    Raises:
        Invalid: A value has a line break, which would start another setting, or a space at an end, which libpq drops.
    """
    values = {
        "host": host,
        "port": login["port"],
        "dbname": login["dbname"],
        "user": login["username"],
        "password": login["password"],
        "sslmode": "verify-full",
        "sslrootcert": authority,
    }
    if wrong := [name for name, value in values.items() if value != value.strip() or len(value.splitlines()) != 1]:
        fact = f"{', '.join(wrong)}: empty, with a line break, or with a space at an end"
        raise Invalid(Problem(subject, fact, REMEDY))
    return "\n".join((f"[{SERVICE}]", *(f"{name}={value}" for name, value in values.items()), ""))


def write(file: Path, text: str) -> None:
    """Write the file, for its owner alone, at once: a restart of the container never reads a part of it.

    Raises:
        Failed: The volume is full or not writable.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            opened.write(text)
        part.replace(file)
    except OSError as error:
        raise Failed(Problem(str(file), f"not writable: {error.strerror or error}", "check the volume")) from error


if __name__ == "__main__":
    run(main)
