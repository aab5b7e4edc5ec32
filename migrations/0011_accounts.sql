-- Accounts as administrators make, change and delete them, and the one-time
-- tokens that go out by mail: of an invitation, and for a new password.

-- What an administrator sees of an account is one version of it: whoever
-- changes it, she learns that hers is old.
CREATE FUNCTION eleusis.app_user_count_version() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION eleusis.app_user_count_version() IS
'Trigger: another version of the account';

CREATE TRIGGER app_user_version
BEFORE UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (
    (
        old.email, old.name, old.role, old.scopes, old.disabled, old.onetime,
        old.password_hash IS NULL, old.totp OR old.passkeys > 0,
        old.deleted_at, old.version
    ) IS DISTINCT FROM (
        new.email, new.name, new.role, new.scopes, new.disabled, new.onetime,
        new.password_hash IS NULL, new.totp OR new.passkeys > 0,
        new.deleted_at, new.version
    )
)
EXECUTE FUNCTION eleusis.app_user_count_version();

-- ---- one-time tokens --------------------------------------------------------

CREATE TABLE eleusis.user_token (
    user_id uuid NOT NULL,
    purpose text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT user_token_pkey PRIMARY KEY (user_id, purpose),
    CONSTRAINT user_token_hash_key UNIQUE (token_hash),
    CONSTRAINT user_token_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT user_token_purpose_known
    CHECK (purpose IN ('invitation', 'password-reset')),
    CONSTRAINT user_token_hash_size CHECK (octet_length(token_hash) = 32),
    CONSTRAINT user_token_ends_after_start CHECK (expires_at > created_at)
);

COMMENT ON TABLE eleusis.user_token IS
'One-time tokens sent by mail. A user has one of a purpose: another one takes
its place';
COMMENT ON COLUMN eleusis.user_token.user_id IS 'Whose it is';
COMMENT ON COLUMN eleusis.user_token.purpose IS
'invitation or password-reset';
COMMENT ON COLUMN eleusis.user_token.token_hash IS
'Keyed hash; the token itself is in the mail only';
COMMENT ON COLUMN eleusis.user_token.created_at IS 'When it was sent';
COMMENT ON COLUMN eleusis.user_token.expires_at IS 'Its end';
COMMENT ON COLUMN eleusis.user_token.used_at IS
'When it was used; null: it was not';

REVOKE ALL ON eleusis.user_token FROM PUBLIC;

-- A link in an old mail must not outlive what it was sent for: a password
-- that was set since, an address that is another one's now, a disabled user.
-- A hash that is only made anew of the same password leaves updated_at alone.
CREATE FUNCTION eleusis.user_token_void() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.user_token AS t
    WHERE t.user_id = NEW.id AND t.used_at IS NULL
        AND t.purpose <> 'invitation';
    -- That nobody has accepted the invitation stays to be seen.
    UPDATE eleusis.user_token AS t
    SET expires_at = greatest(now(), t.created_at + interval '1 microsecond')
    WHERE t.user_id = NEW.id AND t.used_at IS NULL
        AND t.purpose = 'invitation' AND t.expires_at > now();
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.user_token_void() IS
'Trigger: unused tokens of the user are no good any more';

CREATE TRIGGER app_user_token_void
AFTER UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (
    old.email <> new.email
    OR (new.disabled AND NOT old.disabled)
    OR (
        old.password_hash IS DISTINCT FROM new.password_hash
        AND old.updated_at IS DISTINCT FROM new.updated_at
    )
)
EXECUTE FUNCTION eleusis.user_token_void();

-- ---- what administrators see ------------------------------------------------

CREATE VIEW eleusis.app_user_shown AS
SELECT
    u.id,
    u.email,
    u.name,
    u.role,
    array_to_string(u.scopes, ' ') AS scopes,
    u.disabled,
    u.onetime,
    u.password_hash IS NOT NULL AS has_password,
    u.totp OR u.passkeys > 0 AS has_factor,
    CASE
        WHEN u.password_hash IS NULL AND t.used_at IS NULL THEN t.expires_at
    END AS invited_until,
    CASE
        WHEN u.deleted_at IS NOT NULL THEN 'deleted'
        WHEN u.disabled THEN 'disabled'
        WHEN
            u.password_hash IS NULL AND u.passkeys = 0
            AND t.user_id IS NOT NULL AND t.used_at IS NULL
            THEN 'invited'
        ELSE 'active'
    END AS status,
    u.version,
    u.created_at,
    u.updated_at
FROM eleusis.app_user AS u
LEFT JOIN eleusis.user_token AS t
    ON t.user_id = u.id AND t.purpose = 'invitation';

COMMENT ON VIEW eleusis.app_user_shown IS
'Accounts as the functions below show them';
COMMENT ON COLUMN eleusis.app_user_shown.id IS 'The account';
COMMENT ON COLUMN eleusis.app_user_shown.email IS 'The log-in name';
COMMENT ON COLUMN eleusis.app_user_shown.name IS 'For display';
COMMENT ON COLUMN eleusis.app_user_shown.role IS 'Its role';
COMMENT ON COLUMN eleusis.app_user_shown.scopes IS
'Separated by spaces; null: all of the role''s';
COMMENT ON COLUMN eleusis.app_user_shown.disabled IS 'Shut out';
COMMENT ON COLUMN eleusis.app_user_shown.onetime IS
'The password must be changed first';
COMMENT ON COLUMN eleusis.app_user_shown.has_password IS
'It has a password';
COMMENT ON COLUMN eleusis.app_user_shown.has_factor IS
'It has an authenticator app or a passkey';
COMMENT ON COLUMN eleusis.app_user_shown.invited_until IS
'The end of an invitation that was not accepted yet; null: there is none';
COMMENT ON COLUMN eleusis.app_user_shown.status IS
'active, invited, disabled or deleted';
COMMENT ON COLUMN eleusis.app_user_shown.version IS 'Counts the changes';
COMMENT ON COLUMN eleusis.app_user_shown.created_at IS 'When it was made';
COMMENT ON COLUMN eleusis.app_user_shown.updated_at IS 'Its last change';

-- The one place that says who reads accounts and who changes them.
CREATE VIEW eleusis.app_user_manager AS
SELECT
    u.id,
    u.role,
    u.role = 'admin'
    AND (u.scopes IS NULL OR 'users:write' = ANY(u.scopes)) AS writes
FROM eleusis.app_user AS u
WHERE u.role IN ('admin', 'auditor') AND NOT u.disabled;

COMMENT ON VIEW eleusis.app_user_manager IS
'Admins see and change accounts, auditors see them';
COMMENT ON COLUMN eleusis.app_user_manager.id IS 'Who';
COMMENT ON COLUMN eleusis.app_user_manager.role IS
'The role that user has now: the acting role must be the same';
COMMENT ON COLUMN eleusis.app_user_manager.writes IS 'May change them';

REVOKE ALL ON eleusis.app_user_shown, eleusis.app_user_manager FROM PUBLIC;

CREATE FUNCTION eleusis.user_get(p_actor uuid, p_role text, p_id uuid)
RETURNS SETOF eleusis.app_user_shown
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.* FROM eleusis.app_user_shown AS s
    WHERE s.id = p_id AND EXISTS (
        SELECT FROM eleusis.app_user_manager AS m
        WHERE m.id = p_actor AND m.role = p_role
    );
END;
$$;
COMMENT ON FUNCTION eleusis.user_get(uuid, text, uuid) IS
'One account, deleted or not; no row when the actor may not see accounts';

CREATE FUNCTION eleusis.user_list(
    p_actor uuid,
    p_role text,
    p_status text,
    p_of_role text,
    p_after uuid,
    p_limit integer
)
RETURNS SETOF eleusis.app_user_shown
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.* FROM eleusis.app_user_shown AS s
    WHERE EXISTS (
            SELECT FROM eleusis.app_user_manager AS m
            WHERE m.id = p_actor AND m.role = p_role
        )
        AND CASE
            WHEN p_status IS NULL THEN s.status <> 'deleted'
            ELSE s.status = p_status
        END
        AND (p_of_role IS NULL OR s.role = p_of_role)
        AND s.id < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY s.id DESC
    LIMIT least(p_limit, 1000);
END;
$$;
COMMENT ON FUNCTION eleusis.user_list(uuid, text, text, text, uuid, integer) IS
'Accounts, newest id first, below p_after: of a status (null: all but the
deleted ones), of a role (null: all). At most 1000';

CREATE FUNCTION eleusis.user_keys(p_user uuid) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT coalesce(string_agg(k.prefix, ' ' ORDER BY k.id), '')
        FROM eleusis.api_key AS k
        WHERE k.user_id = p_user
            AND (k.revoked_at IS NULL OR k.revoked_at = now())
            AND (k.expires_at IS NULL OR k.expires_at > now())
    );
END;
$$;
COMMENT ON FUNCTION eleusis.user_keys(uuid) IS
'The visible parts of the API keys in force, or revoked by this very
transaction, separated by spaces';

-- ---- changing them ------------------------------------------------------------

-- Changes of accounts count one after the other: each sees which admins the
-- one before has left, and whether its own actor is one still.
CREATE FUNCTION eleusis.user_change_begin(p_actor uuid, p_role text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.role = 'admin' AND NOT u.disabled
    ORDER BY u.id
    FOR NO KEY UPDATE;
    PERFORM FROM eleusis.app_user_manager AS m
    WHERE m.id = p_actor AND m.role = p_role AND m.writes;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not change accounts'
            USING ERRCODE = 'EL403';
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.user_change_begin(uuid, text) IS
'Waits for other changes of accounts. EL403: the actor may make none';

-- Whoever only holds an invitation may never come, whoever has no way in
-- cannot, and whoever may not change accounts is of no help.
CREATE FUNCTION eleusis.user_keep_an_admin(p_without uuid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id <> p_without
        AND u.id IN (
            SELECT m.id FROM eleusis.app_user_manager AS m WHERE m.writes
        )
        AND (
            u.password_hash IS NOT NULL OR u.passkeys > 0
            OR EXISTS (
                SELECT FROM eleusis.identity AS i WHERE i.user_id = u.id
            )
        );
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the last admin' USING ERRCODE = 'EL409';
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.user_keep_an_admin(uuid) IS
'EL409: without this user there is no admin who could log in and change
accounts';

CREATE FUNCTION eleusis.user_invite(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_email text,
    p_name text,
    p_new_role text,
    p_scopes text [],
    p_token_hash bytea,
    p_seconds integer
) RETURNS SETOF eleusis.app_user_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM eleusis.user_change_begin(p_actor, p_role);
    INSERT INTO eleusis.app_user (id, email, name, role, scopes)
    VALUES (p_id, p_email, p_name, p_new_role, p_scopes);
    IF p_token_hash IS NOT NULL THEN
        INSERT INTO eleusis.user_token (
            user_id, purpose, token_hash, expires_at
        ) VALUES (
            p_id, 'invitation', p_token_hash,
            now() + make_interval(secs => p_seconds)
        );
    END IF;
    RETURN QUERY SELECT s.* FROM eleusis.app_user_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.user_invite(
    uuid, text, uuid, text, text, text, text [], bytea, integer
) IS
'Adds an account without a password, and its invitation unless the hash is
null. EL403: the actor may not; 23505: the address is taken';

CREATE FUNCTION eleusis.user_update(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_expected integer,
    p_name text,
    p_email text,
    p_new_role text,
    p_scopes text [],
    p_disabled boolean,
    p_onetime boolean,
    p_end_sessions boolean
) RETURNS SETOF eleusis.app_user_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_old eleusis.app_user;
BEGIN
    PERFORM eleusis.user_change_begin(p_actor, p_role);
    SELECT u.* INTO v_old FROM eleusis.app_user AS u
    WHERE u.id = p_id AND u.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'EL404';
    ELSIF v_old.version <> p_expected THEN
        RAISE EXCEPTION 'the account has another version'
            USING ERRCODE = 'EL412';
    END IF;
    IF p_id = p_actor AND (
        v_old.role <> p_new_role OR p_disabled
        OR v_old.scopes IS DISTINCT FROM p_scopes
    ) THEN
        RAISE EXCEPTION 'the actor''s own rights' USING ERRCODE = 'EL403';
    END IF;
    IF v_old.role = 'admin' AND NOT v_old.disabled
        AND (
            p_disabled OR p_new_role <> 'admin'
            OR 'users:write' <> ALL(coalesce(p_scopes, '{users:write}'))
        )
    THEN
        PERFORM eleusis.user_keep_an_admin(p_id);
    END IF;
    UPDATE eleusis.app_user AS u
    SET name = p_name, email = p_email, role = p_new_role, scopes = p_scopes,
        disabled = p_disabled, onetime = p_onetime,
        sessions_from
        = CASE WHEN p_end_sessions THEN now() ELSE u.sessions_from END
    WHERE u.id = p_id;
    RETURN QUERY SELECT s.* FROM eleusis.app_user_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.user_update(
    uuid, text, uuid, integer, text, text, text, text [], boolean, boolean,
    boolean
) IS
'Changes an account if the version is the one expected. EL403: the actor may
not, or not with her own account; EL404: unknown or deleted; EL409: it is the
last admin; EL412: another version; 23505: the address is taken';

-- The row stays: audit rows, observations and predictions name it. What else
-- belongs to a user goes by triggers on deleted_at, each in the migration
-- that made it.
CREATE FUNCTION eleusis.user_erase(p_id uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.app_user AS u
    SET email = 'deleted-' || u.id || '@invalid', name = 'Deleted user',
        password_hash = NULL, onetime = false, disabled = true,
        totp = false, passkeys = 0, sessions_from = now(), deleted_at = now()
    WHERE u.id = p_id AND u.deleted_at IS NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.user_erase(uuid) IS
'Makes an account nobody''s: what says who it was is overwritten';

CREATE FUNCTION eleusis.user_delete(
    p_actor uuid, p_role text, p_id uuid, p_expected integer
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_old eleusis.app_user;
BEGIN
    PERFORM eleusis.user_change_begin(p_actor, p_role);
    SELECT u.* INTO v_old FROM eleusis.app_user AS u
    WHERE u.id = p_id AND u.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'EL404';
    ELSIF v_old.version <> p_expected THEN
        RAISE EXCEPTION 'the account has another version'
            USING ERRCODE = 'EL412';
    ELSIF p_id = p_actor THEN
        RAISE EXCEPTION 'the actor''s own account' USING ERRCODE = 'EL403';
    END IF;
    IF v_old.role = 'admin' AND NOT v_old.disabled THEN
        PERFORM eleusis.user_keep_an_admin(p_id);
    END IF;
    PERFORM eleusis.user_erase(p_id);
    RETURN now();
END;
$$;
COMMENT ON FUNCTION eleusis.user_delete(uuid, text, uuid, integer) IS
'Deletes an account but for its row. Errors as of user_update';

CREATE FUNCTION eleusis.user_deleted() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.user_token AS t WHERE t.user_id = NEW.id;
    UPDATE eleusis.api_key AS k
    SET revoked_at = now(), version = k.version + 1, updated_at = now()
    WHERE k.user_id = NEW.id AND k.revoked_at IS NULL;
    -- Their names are her own words: "Ada's laptop".
    UPDATE eleusis.api_key AS k SET name = k.prefix WHERE k.user_id = NEW.id;
    -- What would only begin later never does.
    DELETE FROM eleusis.care_relationship AS c
    WHERE c.user_id = NEW.id AND c.since >= now();
    UPDATE eleusis.care_relationship AS c
    SET until = now()
    WHERE c.user_id = NEW.id AND (c.until IS NULL OR c.until > now());
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.user_deleted() IS
'Trigger: tokens go, API keys are revoked and lose their names, care
relationships end';

CREATE TRIGGER app_user_deleted
AFTER UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (old.deleted_at IS NULL AND new.deleted_at IS NOT NULL)
EXECUTE FUNCTION eleusis.user_deleted();

CREATE TRIGGER app_user_deleted_for_good
BEFORE UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (
    old.deleted_at IS NOT NULL
    AND (new.deleted_at IS DISTINCT FROM old.deleted_at OR NOT new.disabled)
)
EXECUTE FUNCTION eleusis.refuse_change();

-- ---- tokens: sent, and redeemed ----------------------------------------------

CREATE FUNCTION eleusis.user_token_put(
    p_user uuid, p_purpose text, p_hash bytea, p_seconds integer
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO eleusis.user_token AS t (
        user_id, purpose, token_hash, expires_at
    ) VALUES (
        p_user, p_purpose, p_hash, now() + make_interval(secs => p_seconds)
    )
    ON CONFLICT (user_id, purpose) DO UPDATE
    SET token_hash = excluded.token_hash, created_at = excluded.created_at,
        expires_at = excluded.expires_at, used_at = NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.user_token_put(uuid, text, bytea, integer) IS
'A token in the place of the one there was';

-- An invitation sets the first password, a reset another one.
CREATE FUNCTION eleusis.user_token_send(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_purpose text,
    p_hash bytea,
    p_seconds integer
) RETURNS SETOF eleusis.app_user_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_user eleusis.app_user;
BEGIN
    PERFORM eleusis.user_change_begin(p_actor, p_role);
    SELECT u.* INTO v_user FROM eleusis.app_user AS u
    WHERE u.id = p_id AND u.deleted_at IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'EL404';
    ELSIF v_user.disabled OR v_user.role = 'service'
        OR (v_user.password_hash IS NULL) <> (p_purpose = 'invitation')
    THEN
        RAISE EXCEPTION 'nothing to send' USING ERRCODE = 'EL409';
    END IF;
    PERFORM eleusis.user_token_put(p_id, p_purpose, p_hash, p_seconds);
    UPDATE eleusis.app_user AS u SET version = u.version + 1
    WHERE u.id = p_id AND p_purpose = 'invitation';
    RETURN QUERY SELECT s.* FROM eleusis.app_user_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.user_token_send(
    uuid, text, uuid, text, bytea, integer
) IS
'A new token, sent by an administrator. EL403: the actor may not; EL404:
unknown or deleted; EL409: disabled, a service, or there is a password already
(invitation) or none yet (password-reset)';

CREATE FUNCTION eleusis.user_reset_ask(
    p_email text, p_hash bytea, p_seconds integer, p_pause integer
) RETURNS TABLE (id uuid, email text, name text)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_user eleusis.app_user;
BEGIN
    SELECT u.* INTO v_user FROM eleusis.app_user AS u
    WHERE lower(u.email) = lower(p_email) AND NOT u.disabled
        AND u.password_hash IS NOT NULL AND u.role <> 'service'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM eleusis.user_token AS t
    WHERE t.user_id = v_user.id AND t.purpose = 'password-reset'
        AND t.created_at > now() - make_interval(secs => p_pause);
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM eleusis.user_token_put(
        v_user.id, 'password-reset', p_hash, p_seconds);
    RETURN QUERY SELECT v_user.id, v_user.email, v_user.name;
END;
$$;
COMMENT ON FUNCTION eleusis.user_reset_ask(text, bytea, integer, integer) IS
'A token for a new password, asked for by whoever knows the address. No row:
nobody who could use it, or the last one is less than p_pause seconds old';

CREATE FUNCTION eleusis.user_token_holder(p_purpose text, p_hash bytea)
RETURNS TABLE (id uuid, email text, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT u.id, u.email, u.name
    FROM eleusis.user_token AS t
    INNER JOIN eleusis.app_user AS u ON u.id = t.user_id
    WHERE t.token_hash = p_hash AND t.purpose = p_purpose
        AND t.used_at IS NULL AND t.expires_at > now()
        AND NOT u.disabled
        AND (u.password_hash IS NULL) = (p_purpose = 'invitation');
END;
$$;
COMMENT ON FUNCTION eleusis.user_token_holder(text, bytea) IS
'Whose token it is; no row: it is unknown, used up or expired';

-- Of two at once the second waits for the first, and finds the token used.
CREATE FUNCTION eleusis.user_token_redeem(
    p_user uuid,
    p_purpose text,
    p_hash bytea,
    p_password_hash text,
    p_name text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Always the account first, then its tokens.
    PERFORM FROM eleusis.app_user AS u WHERE u.id = p_user FOR NO KEY UPDATE;
    UPDATE eleusis.user_token AS t SET used_at = now()
    WHERE t.user_id = p_user AND t.purpose = p_purpose
        AND t.token_hash = p_hash AND t.used_at IS NULL
        AND t.expires_at > now();
    IF FOUND THEN
        UPDATE eleusis.app_user AS u
        SET password_hash = p_password_hash, onetime = false,
            name = coalesce(p_name, u.name), sessions_from = now(),
            updated_at = now()
        WHERE u.id = p_user AND NOT u.disabled
            AND (u.password_hash IS NULL) = (p_purpose = 'invitation');
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such token' USING ERRCODE = 'EL404';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.user_token_redeem(uuid, text, bytea, text, text) IS
'Uses a token up and sets the password, and the name unless it is null; all
sessions are over. EL404: it is unknown, used up, expired or void';

CREATE FUNCTION eleusis.user_rename(p_user uuid, p_role text, p_name text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.app_user AS u SET name = p_name
    WHERE u.id = p_user AND u.role = p_role AND NOT u.disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such account' USING ERRCODE = 'EL404';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.user_rename(uuid, text, text) IS
'One''s own name. EL404: disabled, or of another role by now';

-- ---- API keys within the scopes of their user --------------------------------

CREATE OR REPLACE FUNCTION eleusis.api_key_by_prefix(p_prefix text)
RETURNS TABLE (
    id uuid,
    user_id uuid,
    email text,
    user_name text,
    role text,
    scopes text,
    expires_at timestamptz,
    networks text,
    limit_read integer,
    limit_write integer,
    limit_predict integer,
    limit_export integer,
    must_sign boolean,
    secret_hash bytea,
    previous_hash bytea,
    sign_alg text,
    sign_key bytea,
    previous_sign_key bytea,
    previous_until timestamptz,
    generation integer
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT k.id, u.id, u.email, u.name, u.role,
        array_to_string(ARRAY(
            SELECT s.name FROM unnest(k.scopes) AS s (name)
            WHERE u.scopes IS NULL OR s.name = ANY(u.scopes)
        ), ' '),
        k.expires_at,
        array_to_string(k.networks::text[], ' '), k.limit_read,
        k.limit_write, k.limit_predict, k.limit_export, k.must_sign,
        k.secret_hash, k.previous_hash, k.sign_alg, k.sign_key,
        k.previous_sign_key, k.previous_until, k.generation
    FROM eleusis.api_key AS k
    INNER JOIN eleusis.app_user AS u ON u.id = k.user_id
    WHERE k.prefix = p_prefix AND k.revoked_at IS NULL AND NOT u.disabled;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_by_prefix(text) IS
'The key with this prefix and its user, with the scopes that the user still
has; no row when it is unknown or revoked, or the user is disabled';

GRANT EXECUTE ON FUNCTION
eleusis.user_get(uuid, text, uuid),
eleusis.user_list(uuid, text, text, text, uuid, integer),
eleusis.user_keys(uuid),
eleusis.user_invite(
    uuid, text, uuid, text, text, text, text [], bytea, integer
),
eleusis.user_update(
    uuid, text, uuid, integer, text, text, text, text [], boolean, boolean,
    boolean
),
eleusis.user_delete(uuid, text, uuid, integer),
eleusis.user_token_send(uuid, text, uuid, text, bytea, integer),
eleusis.user_reset_ask(text, bytea, integer, integer),
eleusis.user_token_holder(text, bytea),
eleusis.user_token_redeem(uuid, text, bytea, text, text),
eleusis.user_rename(uuid, text, text)
TO eleusis_server;
