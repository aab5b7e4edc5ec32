-- Who a user is at an OpenID Connect provider. The subject is a keyed hash
-- over the provider's issuer and its "sub": enough to find the account again,
-- and of no use to who reads the table.

CREATE TABLE eleusis.identity (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    subject bytea NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    CONSTRAINT identity_pkey PRIMARY KEY (id),
    CONSTRAINT identity_subject_key UNIQUE (provider, subject),
    CONSTRAINT identity_user_key UNIQUE (user_id, provider),
    CONSTRAINT identity_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT identity_provider_form CHECK (provider ~ '^[a-z0-9-]{1,32}$'),
    CONSTRAINT identity_subject_size CHECK (octet_length(subject) = 32)
);

COMMENT ON TABLE eleusis.identity IS
'Who a user is at an OpenID Connect provider: one there, one here';
COMMENT ON COLUMN eleusis.identity.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.identity.user_id IS 'The account';
COMMENT ON COLUMN eleusis.identity.provider IS
'The provider''s id in OIDC_FILE';
COMMENT ON COLUMN eleusis.identity.subject IS
'Keyed hash of issuer and sub';
COMMENT ON COLUMN eleusis.identity.linked_at IS 'When it was linked';
COMMENT ON COLUMN eleusis.identity.last_login_at IS
'The last log-in with it; null: none yet';

REVOKE ALL ON eleusis.identity FROM PUBLIC;

CREATE FUNCTION eleusis.identity_find(p_provider text, p_subject bytea)
RETURNS TABLE (id uuid, user_id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT i.id, i.user_id FROM eleusis.identity AS i
    WHERE i.provider = p_provider AND i.subject = p_subject;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_find(text, bytea) IS
'The account of somebody of a provider; or no row';

CREATE FUNCTION eleusis.identity_add(
    p_id uuid, p_user uuid, p_provider text, p_subject bytea
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_linked timestamptz;
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND NOT u.disabled AND u.deleted_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'EL404';
    END IF;
    INSERT INTO eleusis.identity (id, user_id, provider, subject)
    VALUES (p_id, p_user, p_provider, p_subject)
    ON CONFLICT DO NOTHING
    RETURNING linked_at INTO v_linked;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'one of the two is linked already'
            USING ERRCODE = 'EL409';
    END IF;
    RETURN v_linked;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_add(uuid, uuid, text, bytea) IS
'Links an account. EL404: it is disabled or unknown; EL409: it is somebody
else there already, or somebody else is that here';

CREATE FUNCTION eleusis.identity_provision(
    p_id uuid,
    p_user uuid,
    p_provider text,
    p_subject bytea,
    p_email text,
    p_name text,
    p_role text
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO eleusis.app_user (id, email, name, role)
    VALUES (p_user, p_email, p_name, p_role)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the address is taken' USING ERRCODE = 'EL409';
    END IF;
    PERFORM eleusis.identity_add(p_id, p_user, p_provider, p_subject);
    RETURN p_user;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_provision(
    uuid, uuid, text, bytea, text, text, text
) IS
'Makes an account without a password for somebody of a provider. EL409: the
address is taken, or the subject is linked';

-- The admins are locked as other changes of accounts do it, so that two at
-- once do not both leave the other one as the last.
CREATE FUNCTION eleusis.identity_role(p_user uuid, p_from text, p_to text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.role = 'admin' AND NOT u.disabled
    ORDER BY u.id
    FOR NO KEY UPDATE;
    IF p_from = 'admin' THEN
        PERFORM FROM eleusis.app_user AS u
        WHERE u.role = 'admin' AND NOT u.disabled AND u.id <> p_user
            AND (
                u.password_hash IS NOT NULL OR u.passkeys > 0
                OR EXISTS (
                    SELECT FROM eleusis.identity AS i WHERE i.user_id = u.id
                )
            );
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the last admin' USING ERRCODE = 'EL409';
        END IF;
    END IF;
    UPDATE eleusis.app_user AS u
    SET role = p_to, sessions_from = now(), updated_at = now()
    WHERE u.id = p_user AND u.role = p_from AND NOT u.disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the account has changed' USING ERRCODE = 'EL412';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_role(uuid, text, text) IS
'Gives an account the role its provider says. EL409: it is the last admin who
could log in; EL412: it has changed meanwhile';

CREATE FUNCTION eleusis.identity_used(p_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.identity AS i SET last_login_at = now() WHERE i.id = p_id;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_used(uuid) IS
'Notes a log-in; false: it is linked no more';

CREATE FUNCTION eleusis.identity_list(p_user uuid)
RETURNS TABLE (
    id uuid,
    provider text,
    linked_at timestamptz,
    last_login_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT i.id, i.provider, i.linked_at, i.last_login_at
    FROM eleusis.identity AS i
    WHERE i.user_id = p_user
    ORDER BY i.id;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_list(uuid) IS
'Who a user is at which providers';

CREATE FUNCTION eleusis.identity_remove(p_user uuid, p_id uuid)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_provider text;
BEGIN
    -- One after the other: two at once could take the last two.
    PERFORM FROM eleusis.app_user AS u WHERE u.id = p_user
    FOR NO KEY UPDATE;
    DELETE FROM eleusis.identity AS i
    WHERE i.id = p_id AND i.user_id = p_user
    RETURNING i.provider INTO v_provider;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such identity' USING ERRCODE = 'EL404';
    END IF;
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user
        AND (
            u.password_hash IS NOT NULL OR u.passkeys > 0
            OR EXISTS (
                SELECT FROM eleusis.identity AS i WHERE i.user_id = p_user
            )
        );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the last way in' USING ERRCODE = 'EL409';
    END IF;
    RETURN v_provider;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_remove(uuid, uuid) IS
'Unlinks one of the user''s own; its provider. EL404: none of hers; EL409: it
is her last way in';

-- A deleted account is nobody anywhere.
CREATE FUNCTION eleusis.identity_forget() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.identity AS i WHERE i.user_id = NEW.id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.identity_forget() IS
'Trigger: who the user was at providers';

CREATE TRIGGER app_user_identity_forget
AFTER UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (new.deleted_at IS NOT NULL AND old.deleted_at IS NULL)
EXECUTE FUNCTION eleusis.identity_forget();

GRANT EXECUTE ON FUNCTION
eleusis.identity_find(text, bytea),
eleusis.identity_add(uuid, uuid, text, bytea),
eleusis.identity_provision(uuid, uuid, text, bytea, text, text, text),
eleusis.identity_role(uuid, text, text),
eleusis.identity_used(uuid),
eleusis.identity_list(uuid),
eleusis.identity_remove(uuid, uuid)
TO eleusis_server;
