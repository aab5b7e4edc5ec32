-- Second factors: the secret of an authenticator app (RFC 6238), sealed by the
-- server, and recovery codes, of which only keyed hashes are stored. Whoever
-- writes here without the server's key cannot make a code that is accepted.

ALTER TABLE eleusis.app_user ADD COLUMN factors_from timestamptz;
COMMENT ON COLUMN eleusis.app_user.factors_from IS
'When an administrator took all second factors off the account; null: never';

-- The row stays when the app is taken away, without its secret: version only
-- grows, so no sealed secret of before opens again.
CREATE TABLE eleusis.totp (
    user_id uuid NOT NULL,
    version integer NOT NULL,
    secret bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    CONSTRAINT totp_pkey PRIMARY KEY (user_id),
    CONSTRAINT totp_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT totp_version_positive CHECK (version >= 1),
    CONSTRAINT totp_secret_size CHECK (octet_length(secret) = 65),
    CONSTRAINT totp_confirmed_has_secret
    CHECK (confirmed_at IS NULL OR secret IS NOT NULL),
    CONSTRAINT totp_last_step_counts CHECK (last_step >= 0)
)
-- Room on the page for the step of each log-in.
WITH (fillfactor = 80);

COMMENT ON TABLE eleusis.totp IS 'Authenticator apps, one a user';
COMMENT ON COLUMN eleusis.totp.user_id IS 'Whose it is';
COMMENT ON COLUMN eleusis.totp.version IS
'Counts the secrets; the seal binds to it';
COMMENT ON COLUMN eleusis.totp.secret IS 'Sealed; null: taken away';
COMMENT ON COLUMN eleusis.totp.created_at IS 'When this secret was made';
COMMENT ON COLUMN eleusis.totp.confirmed_at IS
'When a first code was shown; null: it counts for nothing yet';
COMMENT ON COLUMN eleusis.totp.last_step IS
'The latest time step whose code was used: that code and all earlier ones are
refused';

CREATE TABLE eleusis.recovery_code (
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    CONSTRAINT recovery_code_pkey PRIMARY KEY (user_id, code_hash),
    CONSTRAINT recovery_code_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT recovery_code_hash_size CHECK (octet_length(code_hash) = 32)
);

COMMENT ON TABLE eleusis.recovery_code IS
'The recovery codes in force, made and replaced as a set';
COMMENT ON COLUMN eleusis.recovery_code.user_id IS 'Whose it is';
COMMENT ON COLUMN eleusis.recovery_code.code_hash IS
'Keyed BLAKE2b of user and code';
COMMENT ON COLUMN eleusis.recovery_code.created_at IS
'When the set was made';
COMMENT ON COLUMN eleusis.recovery_code.used_at IS
'When it was used up; null: it was not';

REVOKE ALL ON eleusis.totp, eleusis.recovery_code FROM PUBLIC;

-- A deleted account keeps none, nor does one whose factors an administrator
-- takes away, whether the server or eleusisctl does it. Tables of other
-- factors have a trigger of this kind of their own.
CREATE FUNCTION eleusis.totp_forget() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.totp AS t SET secret = NULL, confirmed_at = NULL
    WHERE t.user_id = new.id;
    new.totp := false;
    RETURN new;
END;
$$;
COMMENT ON FUNCTION eleusis.totp_forget() IS
'Trigger: takes the authenticator app off an account';

CREATE TRIGGER app_user_totp_forget
BEFORE UPDATE OF deleted_at, factors_from ON eleusis.app_user
FOR EACH ROW
WHEN (
    new.deleted_at IS DISTINCT FROM old.deleted_at
    OR new.factors_from IS DISTINCT FROM old.factors_from
)
EXECUTE FUNCTION eleusis.totp_forget();

-- Recovery codes are worth nothing without a factor, and must not come back to
-- life with the next one.
CREATE FUNCTION eleusis.recovery_codes_forget() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.recovery_code AS r WHERE r.user_id = new.id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.recovery_codes_forget() IS
'Trigger: with the last factor go the recovery codes';

CREATE TRIGGER app_user_recovery_codes_forget
AFTER UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (
    (old.totp OR old.passkeys > 0) AND NOT (new.totp OR new.passkeys > 0)
)
EXECUTE FUNCTION eleusis.recovery_codes_forget();

-- Every change below begins with this: changes of one account's factors come
-- one after the other, and a disabled account has none.
CREATE FUNCTION eleusis.factor_lock(p_user uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND NOT u.disabled
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account, or disabled' USING ERRCODE = 'EL409';
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.factor_lock(uuid) IS
'Locks an account. EL409: there is none, or it is disabled';

CREATE FUNCTION eleusis.second_factor_get(p_user uuid)
RETURNS TABLE (
    version integer,
    secret bytea,
    created_at timestamptz,
    confirmed_at timestamptz,
    last_step bigint,
    codes_left integer
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT coalesce(t.version, 0), t.secret, t.created_at, t.confirmed_at,
        coalesce(t.last_step, 0), (
            SELECT count(*)::integer FROM eleusis.recovery_code AS r
            WHERE r.user_id = u.id AND r.used_at IS NULL
        )
    FROM eleusis.app_user AS u
    LEFT JOIN eleusis.totp AS t ON t.user_id = u.id
    WHERE u.id = p_user;
END;
$$;
COMMENT ON FUNCTION eleusis.second_factor_get(uuid) IS
'The authenticator app of a user (version 0: there never was one) and how many
recovery codes are left';

CREATE FUNCTION eleusis.totp_begin(
    p_user uuid, p_version integer, p_secret bytea
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM eleusis.factor_lock(p_user);
    INSERT INTO eleusis.totp AS t (user_id, version, secret)
    VALUES (p_user, p_version, p_secret)
    ON CONFLICT (user_id) DO UPDATE
    SET version = p_version, secret = p_secret, created_at = now(),
        last_step = 0
    WHERE t.version = p_version - 1 AND t.confirmed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is an app, or another one begins'
            USING ERRCODE = 'EL409';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.totp_begin(uuid, integer, bytea) IS
'Stores a secret that is yet to be confirmed, in the place of one that never
was. EL409: the app is confirmed, the version is not the next one, or the
account is disabled';

-- The former codes go, whatever is left of them: one set is in force.
CREATE FUNCTION eleusis.recovery_codes_put(p_user uuid, p_hashes bytea [])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.recovery_code AS r WHERE r.user_id = p_user;
    INSERT INTO eleusis.recovery_code (user_id, code_hash)
    SELECT p_user, h.code_hash FROM unnest(p_hashes) AS h (code_hash);
END;
$$;
COMMENT ON FUNCTION eleusis.recovery_codes_put(uuid, bytea []) IS
'Replaces a user''s recovery codes';

CREATE FUNCTION eleusis.totp_confirm(
    p_user uuid, p_version integer, p_step bigint, p_hashes bytea []
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM eleusis.factor_lock(p_user);
    UPDATE eleusis.totp AS t
    SET confirmed_at = now(), last_step = p_step
    WHERE t.user_id = p_user AND t.version = p_version
        AND t.secret IS NOT NULL AND t.confirmed_at IS NULL
        AND t.last_step < p_step;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'not to be confirmed' USING ERRCODE = 'EL409';
    END IF;
    UPDATE eleusis.app_user AS u SET totp = true, updated_at = now()
    WHERE u.id = p_user;
    PERFORM eleusis.recovery_codes_put(p_user, p_hashes);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.totp_confirm(uuid, integer, bigint, bytea []) IS
'The app counts from now on, and has its recovery codes. EL409: there is no
such secret to be confirmed, or the account is disabled';

-- Compare and set: of two that show one code at once, the second one waits for
-- the row and then finds the step used.
CREATE FUNCTION eleusis.totp_use(
    p_user uuid, p_version integer, p_step bigint
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.totp AS t SET last_step = p_step
    WHERE t.user_id = p_user AND t.version = p_version
        AND t.confirmed_at IS NOT NULL AND t.last_step < p_step;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'used already, or another app'
            USING ERRCODE = 'EL409';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.totp_use(uuid, integer, bigint) IS
'Uses up a time step and all before it. EL409: it was used up, or the app is
not this one any more';

CREATE FUNCTION eleusis.totp_remove(p_user uuid, p_needed boolean)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_passkeys integer;
BEGIN
    PERFORM eleusis.factor_lock(p_user);
    UPDATE eleusis.totp AS t SET secret = NULL, confirmed_at = NULL
    WHERE t.user_id = p_user AND t.confirmed_at IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no app' USING ERRCODE = 'EL404';
    END IF;
    UPDATE eleusis.app_user AS u SET totp = false, updated_at = now()
    WHERE u.id = p_user
    RETURNING u.passkeys INTO v_passkeys;
    IF v_passkeys = 0 AND p_needed THEN
        RAISE EXCEPTION 'the last factor' USING ERRCODE = 'EL409';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.totp_remove(uuid, boolean) IS
'Takes the app away. EL404: there
is none; EL409: it is the last factor and p_needed, or the account is disabled';

CREATE FUNCTION eleusis.recovery_code_use(p_user uuid, p_hash bytea)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.recovery_code AS r SET used_at = now()
    WHERE r.user_id = p_user AND r.code_hash = p_hash AND r.used_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such code' USING ERRCODE = 'EL409';
    END IF;
    RETURN (
        SELECT count(*) FROM eleusis.recovery_code AS r
        WHERE r.user_id = p_user AND r.used_at IS NULL
    );
END;
$$;
COMMENT ON FUNCTION eleusis.recovery_code_use(uuid, bytea) IS
'Uses up a recovery code; how many are left. EL409: there is no such code, or
it was used';

CREATE FUNCTION eleusis.recovery_codes_replace(
    p_user uuid, p_hashes bytea []
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM eleusis.factor_lock(p_user);
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND (u.totp OR u.passkeys > 0);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'nothing to recover' USING ERRCODE = 'EL409';
    END IF;
    PERFORM eleusis.recovery_codes_put(p_user, p_hashes);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.recovery_codes_replace(uuid, bytea []) IS
'Replaces a user''s recovery codes. EL409: the account has no second factor, or
is disabled';

-- Ends the sessions too: whoever has the lost factor may have one.
CREATE FUNCTION eleusis.factors_reset(p_actor uuid, p_role text, p_user uuid)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS a
    WHERE a.id = p_actor AND a.role = p_role AND a.role = 'admin'
        AND NOT a.disabled AND a.id <> p_user;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not reset these factors'
            USING ERRCODE = 'EL403';
    END IF;
    UPDATE eleusis.app_user AS u
    SET factors_from = clock_timestamp(), sessions_from = clock_timestamp(),
        version = u.version + 1, updated_at = now()
    WHERE u.id = p_user AND u.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such user' USING ERRCODE = 'EL404';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.factors_reset(uuid, text, uuid) IS
'An administrator takes every second factor off another account. EL403: the
actor may not, or it is her own; EL404: no such user, or a deleted one';

GRANT EXECUTE ON FUNCTION
eleusis.second_factor_get(uuid),
eleusis.totp_begin(uuid, integer, bytea),
eleusis.totp_confirm(uuid, integer, bigint, bytea []),
eleusis.totp_use(uuid, integer, bigint),
eleusis.totp_remove(uuid, boolean),
eleusis.recovery_code_use(uuid, bytea),
eleusis.recovery_codes_replace(uuid, bytea []),
eleusis.factors_reset(uuid, text, uuid)
TO eleusis_server;
