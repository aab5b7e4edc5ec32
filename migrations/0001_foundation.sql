-- Rights of the schema, and what the later tables are built with.

COMMENT ON SCHEMA eleusis IS 'Everything Eleusis keeps; owned by eleusis_owner';

REVOKE ALL ON SCHEMA eleusis FROM PUBLIC;
GRANT USAGE ON SCHEMA eleusis TO eleusis_server;

-- A new function can be run by its owner only, until a migration grants it.
ALTER DEFAULT PRIVILEGES FOR ROLE eleusis_owner
REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Trigger of tables whose rows stay: it fires for the owner as well.
CREATE FUNCTION eleusis.refuse_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: its rows are kept for good',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END;
$$;
COMMENT ON FUNCTION eleusis.refuse_change() IS
'Trigger: raises 42501 for any operation it is attached to';

-- The least UUIDv7 (RFC 9562) of a millisecond: bounds of the partitions.
-- IMMUTABLE holds because epoch does not depend on the session's time zone.
CREATE FUNCTION eleusis.uuid_v7_floor(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT rpad(
        lpad(to_hex(floor(extract(EPOCH FROM p_at) * 1000)::bigint), 12, '0'),
        32, '0'
    )::uuid
$$;
COMMENT ON FUNCTION eleusis.uuid_v7_floor(timestamptz) IS
'The least UUID whose first 48 bits are this instant in Unix milliseconds';
