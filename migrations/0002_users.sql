-- Accounts of the people and programs that use the API.

CREATE TABLE eleusis.app_user (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    onetime boolean NOT NULL DEFAULT false,
    disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT app_user_pkey PRIMARY KEY (id),
    CONSTRAINT app_user_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT app_user_email_form
    CHECK (length(email) BETWEEN 3 AND 254 AND email ~ '^[^@\s]+@[^@\s]+$'),
    CONSTRAINT app_user_name_form CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT app_user_role_known
    CHECK (role IN ('admin', 'clinician', 'auditor', 'service')),
    CONSTRAINT app_user_password_hash_form
    CHECK (
        length(password_hash) BETWEEN 40 AND 127
        AND password_hash LIKE '$argon2id$%'
    )
);
CREATE UNIQUE INDEX app_user_email_key ON eleusis.app_user (lower(email));

-- Audit rows name users by id for good, and observation and prediction name
-- their author without a foreign key: so users are disabled, not deleted.
CREATE TRIGGER app_user_keep
BEFORE DELETE OR TRUNCATE ON eleusis.app_user
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();

COMMENT ON TABLE eleusis.app_user IS
'Accounts. Never deleted: audit rows refer to them';
COMMENT ON COLUMN eleusis.app_user.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.app_user.email IS
'The log-in name; unique whatever its case';
COMMENT ON COLUMN eleusis.app_user.name IS 'For display';
COMMENT ON COLUMN eleusis.app_user.role IS
'admin, clinician, auditor or service';
COMMENT ON COLUMN eleusis.app_user.password_hash IS
'Argon2id in libsodium''s string form';
COMMENT ON COLUMN eleusis.app_user.onetime IS
'The password was given out and must be changed before anything else';
COMMENT ON COLUMN eleusis.app_user.disabled IS
'May not log in, and sees no patients at once';
COMMENT ON COLUMN eleusis.app_user.created_at IS 'When the account was made';
COMMENT ON COLUMN eleusis.app_user.updated_at IS 'When it was last changed';

REVOKE ALL ON eleusis.app_user FROM PUBLIC;
GRANT SELECT (id, name, role) ON eleusis.app_user TO eleusis_server;

CREATE FUNCTION eleusis.user_by_email(p_email text)
RETURNS TABLE (
    id uuid,
    email text,
    name text,
    role text,
    password_hash text,
    onetime boolean,
    disabled boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.email, u.name, u.role, u.password_hash, u.onetime,
        u.disabled
    FROM eleusis.app_user AS u
    WHERE lower(u.email) = lower(p_email);
END;
$$;
COMMENT ON FUNCTION eleusis.user_by_email(text) IS
'The account of an e-mail address in any case, disabled or not; or no row';

CREATE FUNCTION eleusis.user_by_id(p_id uuid)
RETURNS TABLE (
    id uuid,
    email text,
    name text,
    role text,
    password_hash text,
    onetime boolean,
    disabled boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.email, u.name, u.role, u.password_hash, u.onetime,
        u.disabled
    FROM eleusis.app_user AS u
    WHERE u.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.user_by_id(uuid) IS
'The account of an id, disabled or not; or no row';

-- p_old is the hash that the current password was checked against: of two
-- changes at once the second one was checked against what is no longer there.
CREATE FUNCTION eleusis.user_set_password(
    p_user uuid, p_old text, p_hash text, p_onetime boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.app_user AS u
    SET password_hash = p_hash, onetime = p_onetime, updated_at = now()
    WHERE u.id = p_user AND u.password_hash = p_old AND NOT u.disabled;
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
