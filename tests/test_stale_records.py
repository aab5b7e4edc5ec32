"""A key's record that outlives its minute in Redis, as clocks that differ make it."""

import time

import pytest
from lib import signing
from lib.client import Api
from lib.db import store
from lib.problem import problem

pytestmark = pytest.mark.full


def test_a_signed_request_is_no_replay_of_itself(instance, log_in):
    """The record is too old, so that admission asks Redis twice for one request."""
    signer = signing.ed25519_signer(instance, log_in("clinician").user)
    with Api(instance) as api, store(instance) as redis:
        assert signer.send(api, "GET", "/v1/me").status_code == 200
        assert redis.persist(f"k:{signer.key.prefix}"), "the record is not there"
        time.sleep(61)
        request = signer.request(api, "GET", "/v1/me")
        reply = api.http.send(request)
        assert reply.status_code == 200, reply.text
        assert 0 < redis.ttl(f"k:{signer.key.prefix}") <= 60, "the old record is still there"
        problem(api.http.send(request), "bad-signature")
