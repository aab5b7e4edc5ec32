-- Passkeys: public keys of WebAuthn credentials. Nothing secret is in here,
-- but whoever could add or change a row could log in as its user: the server
-- reaches the table through the functions below only.

CREATE TABLE eleusis.passkey (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    alg integer NOT NULL,
    sign_count bigint NOT NULL,
    aaguid uuid NOT NULL,
    transports text [] NOT NULL,
    backup_eligible boolean NOT NULL,
    backed_up boolean NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    CONSTRAINT passkey_pkey PRIMARY KEY (id),
    CONSTRAINT passkey_credential_id_key UNIQUE (credential_id),
    CONSTRAINT passkey_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT passkey_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT passkey_credential_id_size
    CHECK (octet_length(credential_id) BETWEEN 16 AND 1023),
    CONSTRAINT passkey_public_key_size
    CHECK (octet_length(public_key) BETWEEN 32 AND 1024),
    CONSTRAINT passkey_alg_known CHECK (alg IN (-7, -8, -257)),
    CONSTRAINT passkey_sign_count_range
    CHECK (sign_count BETWEEN 0 AND 4294967295),
    CONSTRAINT passkey_transports_few
    CHECK (
        cardinality(transports) <= 8
        AND array_position(transports, NULL) IS NULL
    ),
    CONSTRAINT passkey_backup_needs_eligible
    CHECK (backup_eligible OR NOT backed_up),
    CONSTRAINT passkey_name_form CHECK (length(name) BETWEEN 1 AND 100)
);
CREATE INDEX passkey_user_id_idx ON eleusis.passkey (user_id);

COMMENT ON TABLE eleusis.passkey IS
'WebAuthn credentials of users: public keys to log in with';
COMMENT ON COLUMN eleusis.passkey.id IS
'UUIDv7; what the API and the audit log call it';
COMMENT ON COLUMN eleusis.passkey.user_id IS 'Whom it logs in';
COMMENT ON COLUMN eleusis.passkey.credential_id IS
'The authenticator''s name for it';
COMMENT ON COLUMN eleusis.passkey.public_key IS
'COSE_Key, as the authenticator gave it (RFC 9052, 7)';
COMMENT ON COLUMN eleusis.passkey.alg IS
'COSE algorithm: -7 ES256, -8 EdDSA, -257 RS256';
COMMENT ON COLUMN eleusis.passkey.sign_count IS
'The authenticator''s signature counter when last seen; 0: it has none';
COMMENT ON COLUMN eleusis.passkey.aaguid IS
'The authenticator''s model; all zero: not said';
COMMENT ON COLUMN eleusis.passkey.transports IS
'How browsers reach it: hints for the next log-in';
COMMENT ON COLUMN eleusis.passkey.backup_eligible IS
'It can be copied to other devices; never changes';
COMMENT ON COLUMN eleusis.passkey.backed_up IS
'It was copied, as of its last use';
COMMENT ON COLUMN eleusis.passkey.name IS 'What its user calls it';
COMMENT ON COLUMN eleusis.passkey.created_at IS 'When it was registered';
COMMENT ON COLUMN eleusis.passkey.last_used_at IS
'Its last successful proof; null: never used';

REVOKE ALL ON eleusis.passkey FROM PUBLIC;

-- What its user sees, and what a browser is told to look for.
CREATE VIEW eleusis.passkey_shown AS
SELECT
    p.id,
    p.user_id,
    p.credential_id,
    p.alg,
    p.aaguid,
    array_to_string(p.transports, ' ') AS transports,
    p.backup_eligible,
    p.backed_up,
    p.name,
    p.created_at,
    p.last_used_at
FROM eleusis.passkey AS p;

COMMENT ON VIEW eleusis.passkey_shown IS
'Passkeys as the functions below show them';
COMMENT ON COLUMN eleusis.passkey_shown.id IS 'The passkey';
COMMENT ON COLUMN eleusis.passkey_shown.user_id IS 'Whom it logs in';
COMMENT ON COLUMN eleusis.passkey_shown.credential_id IS
'The authenticator''s name for it';
COMMENT ON COLUMN eleusis.passkey_shown.alg IS 'COSE algorithm';
COMMENT ON COLUMN eleusis.passkey_shown.aaguid IS 'The authenticator''s model';
COMMENT ON COLUMN eleusis.passkey_shown.transports IS 'Separated by spaces';
COMMENT ON COLUMN eleusis.passkey_shown.backup_eligible IS
'It can be copied to other devices';
COMMENT ON COLUMN eleusis.passkey_shown.backed_up IS 'It was copied';
COMMENT ON COLUMN eleusis.passkey_shown.name IS 'What its user calls it';
COMMENT ON COLUMN eleusis.passkey_shown.created_at IS
'When it was registered';
COMMENT ON COLUMN eleusis.passkey_shown.last_used_at IS
'Its last successful proof';

REVOKE ALL ON eleusis.passkey_shown FROM PUBLIC;

CREATE FUNCTION eleusis.passkey_list(p_user uuid)
RETURNS SETOF eleusis.passkey_shown
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.* FROM eleusis.passkey_shown AS s
    WHERE s.user_id = p_user
    ORDER BY s.id;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_list(uuid) IS
'A user''s passkeys, oldest first';

-- Two at once count one after the other: they wait for the owner's row.
CREATE FUNCTION eleusis.passkey_create(
    p_user uuid,
    p_id uuid,
    p_credential bytea,
    p_key bytea,
    p_alg integer,
    p_count bigint,
    p_aaguid uuid,
    p_transports text [],
    p_eligible boolean,
    p_backed_up boolean,
    p_name text,
    p_max integer
) RETURNS SETOF eleusis.passkey_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND NOT u.disabled AND u.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such user' USING ERRCODE = 'EL404';
    END IF;
    IF (
        SELECT count(*) FROM eleusis.passkey AS p WHERE p.user_id = p_user
    ) >= p_max THEN
        RAISE EXCEPTION 'too many passkeys' USING ERRCODE = 'EL409';
    END IF;
    INSERT INTO eleusis.passkey (
        id, user_id, credential_id, public_key, alg, sign_count, aaguid,
        transports, backup_eligible, backed_up, name
    ) VALUES (
        p_id, p_user, p_credential, p_key, p_alg, p_count, p_aaguid,
        p_transports, p_eligible, p_backed_up, p_name
    );
    UPDATE eleusis.app_user AS u
    SET passkeys = u.passkeys + 1, updated_at = now()
    WHERE u.id = p_user;
    RETURN QUERY
    SELECT s.* FROM eleusis.passkey_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_create(
    uuid, uuid, bytea, bytea, integer, bigint, uuid, text [], boolean, boolean,
    text, integer
) IS
'Adds a passkey. EL404: the user is disabled or gone; EL409: the user has
p_max; unique_violation: somebody has this credential already';

CREATE FUNCTION eleusis.passkey_rename(p_user uuid, p_id uuid, p_name text)
RETURNS SETOF eleusis.passkey_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.passkey AS p
    SET name = p_name
    WHERE p.id = p_id AND p.user_id = p_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such passkey' USING ERRCODE = 'EL404';
    END IF;
    RETURN QUERY
    SELECT s.* FROM eleusis.passkey_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_rename(uuid, uuid, text) IS
'Renames one of the user''s own. EL404: not there, or another''s';

CREATE FUNCTION eleusis.passkey_delete(
    p_user uuid, p_id uuid, p_needed boolean
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_totp boolean;
    v_left integer;
BEGIN
    SELECT u.totp INTO v_totp FROM eleusis.app_user AS u
    WHERE u.id = p_user
    FOR NO KEY UPDATE;
    DELETE FROM eleusis.passkey AS p
    WHERE p.id = p_id AND p.user_id = p_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such passkey' USING ERRCODE = 'EL404';
    END IF;
    SELECT count(*) INTO v_left FROM eleusis.passkey AS p
    WHERE p.user_id = p_user;
    IF p_needed AND v_left = 0 AND NOT v_totp THEN
        RAISE EXCEPTION 'the last factor' USING ERRCODE = 'EL409';
    END IF;
    UPDATE eleusis.app_user AS u
    SET passkeys = v_left, updated_at = now()
    WHERE u.id = p_user;
    IF v_left = 0 AND NOT v_totp THEN
        DELETE FROM eleusis.recovery_code AS r WHERE r.user_id = p_user;
    END IF;
    RETURN v_left;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_delete(uuid, uuid, boolean) IS
'Removes one of the user''s own, and with the last factor the recovery codes;
how many are left. EL404: not there, or another''s; EL409: p_needed, and it is
the last factor of the user';

CREATE FUNCTION eleusis.passkey_by_credential(p_credential bytea)
RETURNS TABLE (
    id uuid,
    user_id uuid,
    public_key bytea,
    alg integer,
    backup_eligible boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT p.id, p.user_id, p.public_key, p.alg, p.backup_eligible
    FROM eleusis.passkey AS p
    WHERE p.credential_id = p_credential;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_by_credential(bytea) IS
'What it takes to check an assertion of this credential; or no row';

-- WebAuthn 7.2, step 21: a counter that does not grow tells of a copy of the
-- authenticator. Checked where it is written, so that of two copies used at
-- once only one gets through.
CREATE FUNCTION eleusis.passkey_used(
    p_id uuid, p_count bigint, p_backed_up boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.passkey AS p
    SET sign_count = p_count, backed_up = p_backed_up, last_used_at = now()
    WHERE p.id = p_id
        AND (p.sign_count < p_count OR (p.sign_count = 0 AND p_count = 0));
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM eleusis.passkey AS p WHERE p.id = p_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such passkey' USING ERRCODE = 'EL404';
    END IF;
    RAISE EXCEPTION 'the counter did not grow' USING ERRCODE = 'EL409';
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_used(uuid, bigint, boolean) IS
'Notes a use and its counter. EL404: the passkey is gone; EL409: the counter
did not grow';

-- A deleted account, and one whose factors are taken off, keeps none.
CREATE FUNCTION eleusis.passkey_forget() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.passkey AS p WHERE p.user_id = new.id;
    new.passkeys := 0;
    RETURN new;
END;
$$;
COMMENT ON FUNCTION eleusis.passkey_forget() IS
'Takes every passkey off an account';

CREATE TRIGGER app_user_passkeys_forget
BEFORE UPDATE OF deleted_at, factors_from ON eleusis.app_user
FOR EACH ROW
WHEN (
    new.deleted_at IS DISTINCT FROM old.deleted_at
    OR new.factors_from IS DISTINCT FROM old.factors_from
)
EXECUTE FUNCTION eleusis.passkey_forget();

GRANT EXECUTE ON FUNCTION
eleusis.passkey_list(uuid),
eleusis.passkey_create(
    uuid, uuid, bytea, bytea, integer, bigint, uuid, text [], boolean, boolean,
    text, integer
),
eleusis.passkey_rename(uuid, uuid, text),
eleusis.passkey_delete(uuid, uuid, boolean),
eleusis.passkey_by_credential(bytea),
eleusis.passkey_used(uuid, bigint, boolean)
TO eleusis_server;
