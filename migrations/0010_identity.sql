-- What a log-in must know of an account besides its password: whether it has
-- one, which second factors, which scopes of its role, and since when its
-- sessions count. Later migrations add the tables behind it.

ALTER TABLE eleusis.app_user ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE eleusis.app_user
ADD COLUMN version integer NOT NULL DEFAULT 1,
ADD COLUMN scopes text [],
ADD COLUMN totp boolean NOT NULL DEFAULT false,
ADD COLUMN passkeys integer NOT NULL DEFAULT 0,
ADD COLUMN sessions_from timestamptz,
ADD COLUMN deleted_at timestamptz,
ADD CONSTRAINT app_user_version_positive CHECK (version >= 1),
ADD CONSTRAINT app_user_scopes_few
CHECK (
    cardinality(scopes) <= 64 AND array_position(scopes, NULL) IS NULL
),
ADD CONSTRAINT app_user_passkeys_counted CHECK (passkeys >= 0),
ADD CONSTRAINT app_user_deleted_is_disabled
CHECK (deleted_at IS NULL OR (disabled AND password_hash IS NULL));

COMMENT ON COLUMN eleusis.app_user.password_hash IS
'Argon2id in libsodium''s string form; null: logs in by other means, or not yet';
COMMENT ON COLUMN eleusis.app_user.version IS
'Counts the changes that an administrator makes; the ETag';
COMMENT ON COLUMN eleusis.app_user.scopes IS
'What the role allows is narrowed to these; null: all of it';
COMMENT ON COLUMN eleusis.app_user.totp IS
'Has a confirmed authenticator app';
COMMENT ON COLUMN eleusis.app_user.passkeys IS 'How many passkeys it has';
COMMENT ON COLUMN eleusis.app_user.sessions_from IS
'Sessions that began before are over; null: all count';
COMMENT ON COLUMN eleusis.app_user.deleted_at IS
'When the account was deleted; the row stays for the audit log';

DROP FUNCTION eleusis.user_by_email(text);
DROP FUNCTION eleusis.user_by_id(uuid);
DROP FUNCTION eleusis.user_set_password(uuid, text, text, boolean);

CREATE FUNCTION eleusis.user_by_email(p_email text)
RETURNS TABLE (
    id uuid,
    email text,
    name text,
    role text,
    password_hash text,
    onetime boolean,
    disabled boolean,
    scopes text,
    totp boolean,
    passkeys integer,
    sessions_from timestamptz,
    deleted boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.email, u.name, u.role, coalesce(u.password_hash, ''),
        u.onetime, u.disabled, array_to_string(u.scopes, ' '), u.totp, u.passkeys, u.sessions_from,
        u.deleted_at IS NOT NULL
    FROM eleusis.app_user AS u
    WHERE lower(u.email) = lower(p_email);
END;
$$;
COMMENT ON FUNCTION eleusis.user_by_email(text) IS
'The account of an e-mail address in any case, disabled or not; or no row.
The hash is empty where there is none, scopes null where all of the role''s';

CREATE FUNCTION eleusis.user_by_id(p_id uuid)
RETURNS TABLE (
    id uuid,
    email text,
    name text,
    role text,
    password_hash text,
    onetime boolean,
    disabled boolean,
    scopes text,
    totp boolean,
    passkeys integer,
    sessions_from timestamptz,
    deleted boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.email, u.name, u.role, coalesce(u.password_hash, ''),
        u.onetime, u.disabled, array_to_string(u.scopes, ' '), u.totp, u.passkeys, u.sessions_from,
        u.deleted_at IS NOT NULL
    FROM eleusis.app_user AS u
    WHERE u.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.user_by_id(uuid) IS
'The account of an id, disabled or not; or no row. As user_by_email';

-- p_old is the hash that the current password was checked against, or ""
-- where there was none: of two changes at once the second one was checked
-- against what is no longer there.
CREATE FUNCTION eleusis.user_set_password(
    p_user uuid, p_old text, p_hash text, p_onetime boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.app_user AS u
    SET password_hash = p_hash, onetime = p_onetime, updated_at = now()
    WHERE u.id = p_user AND u.password_hash IS NOT DISTINCT FROM nullif(p_old, '')
        AND NOT u.disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account has changed' USING ERRCODE = 'EL409';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.user_set_password(uuid, text, text, boolean) IS
'Replaces a password hash. EL409: it is another by now, or is disabled';

GRANT EXECUTE ON FUNCTION
eleusis.user_by_email(text),
eleusis.user_by_id(uuid),
eleusis.user_set_password(uuid, text, text, boolean)
TO eleusis_server;
