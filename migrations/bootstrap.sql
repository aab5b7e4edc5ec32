-- What must exist before the migrations: two roles and the database. Run by
-- psql as a superuser, connected to any database; safe to run again (it then
-- sets the passwords anew).
--
--   psql -v ON_ERROR_STOP=1 -X -f migrations/bootstrap.sql
--
-- Variables: dbname, owner_password, server_password. What is not given with
-- -v comes from the environment (ELEUSIS_DB_NAME, ELEUSIS_OWNER_PASSWORD,
-- ELEUSIS_SERVER_PASSWORD), which unlike -v does not show in a process list.

\set ON_ERROR_STOP on

\if :{?dbname}
\else
    \set dbname eleusis
    \getenv dbname ELEUSIS_DB_NAME
\endif
\if :{?owner_password}
\else
    \getenv owner_password ELEUSIS_OWNER_PASSWORD
\endif
\if :{?server_password}
\else
    \getenv server_password ELEUSIS_SERVER_PASSWORD
\endif

-- The statements below hold passwords: keep them out of the server's log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SET password_encryption = 'scram-sha-256';
SET client_min_messages = 'warning';

SELECT 'CREATE ROLE eleusis_owner'
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'eleusis_owner'
)
\gexec
SELECT 'CREATE ROLE eleusis_server'
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'eleusis_server'
)
\gexec

ALTER ROLE eleusis_owner WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
NOREPLICATION NOBYPASSRLS PASSWORD :'owner_password';
ALTER ROLE eleusis_server WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
NOREPLICATION NOBYPASSRLS PASSWORD :'server_password';

COMMENT ON ROLE eleusis_owner IS 'Owns the schema eleusis and migrates it';
COMMENT ON ROLE eleusis_server IS
'The API server: no DDL, audit rows are append-only, patients by functions';

SELECT format(
    'CREATE DATABASE %I OWNER eleusis_owner ENCODING ''UTF8'''
    ' TEMPLATE template0', :'dbname'
)
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = :'dbname'
)
\gexec

ALTER DATABASE :"dbname" OWNER TO eleusis_owner;
REVOKE ALL ON DATABASE :"dbname" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"dbname" TO eleusis_server;

-- A stuck statement of the server must not hold locks for long: past these
-- it fails by itself, the request answers 503, and the connection lives on.
ALTER ROLE eleusis_server SET statement_timeout = '15s';
ALTER ROLE eleusis_server SET lock_timeout = '3s';
ALTER ROLE eleusis_server SET idle_in_transaction_session_timeout = '15s';
-- Every statement is short and prepared: compiling never pays, and the
-- planner should think of the pages as cached.
ALTER ROLE eleusis_server SET jit = off;
-- A refused row's key (a blind index) is not for the server's log.
ALTER ROLE eleusis_server SET log_error_verbosity = 'terse';
ALTER ROLE eleusis_server SET random_page_cost = 1.1;
-- All names are written in full; nothing is looked up by accident.
ALTER ROLE eleusis_server SET search_path = pg_catalog, pg_temp;
ALTER ROLE eleusis_server SET timezone = 'UTC';
-- A migration waits this long for a lock of the running server, then fails
-- and rolls back, instead of queueing every request behind itself.
ALTER ROLE eleusis_owner SET lock_timeout = '10s';
ALTER ROLE eleusis_owner SET timezone = 'UTC';

\connect :"dbname"

REVOKE ALL ON SCHEMA public FROM PUBLIC;
