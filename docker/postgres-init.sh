#!/bin/sh
# Run once by the PostgreSQL container, on an empty data directory: makes the
# database and its two roles with the passwords of the secrets.
set -eu
ELEUSIS_OWNER_PASSWORD=$(cat /run/secrets/eleusis_owner)
ELEUSIS_SERVER_PASSWORD=$(cat /run/secrets/eleusis_server)
export ELEUSIS_OWNER_PASSWORD ELEUSIS_SERVER_PASSWORD ELEUSIS_DB_NAME=eleusis
psql -X -q -w -U "${POSTGRES_USER:-postgres}" -d postgres \
    -f /bootstrap.sql
