"""A small client of the Eleusis API; see README.md beside this package."""

from eleusis_client.client import Client
from eleusis_client.errors import NoAnswer, Problem, StepUpRequired
from eleusis_client.signing import Ed25519, Hmac, Signer

__all__ = ["Client", "Ed25519", "Hmac", "NoAnswer", "Problem", "Signer", "StepUpRequired"]
