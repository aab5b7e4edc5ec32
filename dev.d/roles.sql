-- The database and its two roles; run by psql as the superuser, any number of
-- times. eleusis_owner owns the schema and migrates it; eleusis_server serves
-- requests with what the migrations grant it. Passwords come from the files
-- that the settings name: they are on no command line.
\set ON_ERROR_STOP on
\set owner_password `cat "$ELEUSIS_DB_OWNER_PASSWORD_FILE"`
\set server_password `cat "$ELEUSIS_DB_PASSWORD_FILE"`

SELECT 'CREATE ROLE eleusis_owner LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eleusis_owner')
\gexec
SELECT 'CREATE ROLE eleusis_server LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eleusis_server')
\gexec

-- The statements below are not logged: they hold the passwords.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
ALTER ROLE eleusis_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
PASSWORD :'owner_password';
ALTER ROLE eleusis_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
PASSWORD :'server_password';

SELECT 'CREATE DATABASE eleusis OWNER eleusis_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'eleusis')
\gexec
REVOKE ALL ON DATABASE eleusis FROM PUBLIC;
GRANT CONNECT ON DATABASE eleusis TO eleusis_server;

\connect eleusis
REVOKE ALL ON SCHEMA public FROM PUBLIC;
