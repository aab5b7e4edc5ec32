"""Authorities and certificates made by OpenSSL's own command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*args: str | Path, input: str | None = None) -> str:
    done = subprocess.run(
        ["openssl", *map(str, args)], input=input, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, f"openssl {args[0]}: {done.stderr}"
    return done.stdout


def fingerprint(pem: Path) -> str:
    """SHA-256 of the first certificate, as the log shows it."""
    out = openssl("x509", "-in", pem, "-noout", "-fingerprint", "-sha256")
    return out.strip().partition("=")[2].replace(":", "")


@dataclass
class Pair:
    cert: Path
    key: Path


class Authority:
    """A certification authority in a directory, or one that is there already."""

    def __init__(self, where: Path, name: str = "authority", pair: Pair | None = None):
        self.where = where
        self.pair = pair or Pair(where / f"{name}.pem", where / f"{name}.key")
        if pair is None:
            openssl(
                "req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
                "-keyout", self.pair.key, "-out", self.pair.cert,
            )  # fmt: skip

    def issue(
        self,
        name: str,
        usage: str = "serverAuth",
        algorithm: str = "rsa:2048",
        names: str = "DNS:localhost,DNS:mtls.localhost,IP:127.0.0.1",
        days: int = 30,
        authority: bool = False,
    ) -> Pair:
        """A new key and its certificate; days below 0: it has expired already."""
        made = Pair(self.where / f"{name}.pem", self.where / f"{name}.key")
        request = self.where / f"{name}.csr"
        kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}
        options = kinds.get(algorithm, [algorithm])
        openssl("req", "-new", "-newkey", *options, "-nodes", "-subj", f"/CN={name}",
                "-keyout", made.key, "-out", request)  # fmt: skip
        extensions = self.where / f"{name}.ext"
        extensions.write_text(
            f"basicConstraints=critical,CA:{'TRUE' if authority else 'FALSE'}\n"
            f"extendedKeyUsage={usage}\nsubjectAltName={names}\n"
        )
        openssl("x509", "-req", "-in", request, "-sha256", "-days", str(days),
                "-CA", self.pair.cert, "-CAkey", self.pair.key, "-set_serial", "0x1a",
                "-extfile", extensions, "-out", made.cert)  # fmt: skip
        made.key.chmod(0o600)
        return made
