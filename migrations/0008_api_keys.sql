-- API keys: what a program shows instead of a session. The secret of a key is
-- nowhere in here, only a keyed hash of it; a secret for signing is sealed by
-- the server. Rows stay for good: the audit log refers to them.

CREATE TABLE eleusis.api_key (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_by uuid NOT NULL,
    prefix text NOT NULL,
    name text NOT NULL,
    scopes text [] NOT NULL,
    expires_at timestamptz,
    networks cidr [] NOT NULL,
    limit_read integer,
    limit_write integer,
    limit_predict integer,
    limit_export integer,
    must_sign boolean NOT NULL,
    secret_hash bytea NOT NULL,
    previous_hash bytea,
    sign_alg text,
    sign_key bytea,
    previous_sign_key bytea,
    previous_until timestamptz,
    generation integer NOT NULL DEFAULT 1,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    last_used_network cidr,
    CONSTRAINT api_key_pkey PRIMARY KEY (id),
    CONSTRAINT api_key_prefix_key UNIQUE (prefix),
    CONSTRAINT api_key_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT api_key_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES eleusis.app_user (id),
    CONSTRAINT api_key_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT api_key_prefix_form
    CHECK (prefix ~ '^elk_[0-9a-hjkmnp-tv-z]{16}$'),
    CONSTRAINT api_key_name_form CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_key_scopes_some
    CHECK (
        cardinality(scopes) BETWEEN 1 AND 64
        AND array_position(scopes, NULL) IS NULL
    ),
    CONSTRAINT api_key_expires_after_creation CHECK (expires_at > created_at),
    CONSTRAINT api_key_networks_few
    CHECK (
        cardinality(networks) <= 32
        AND array_position(networks, NULL) IS NULL
    ),
    CONSTRAINT api_key_limits_positive
    CHECK (
        limit_read >= 1 AND limit_write >= 1 AND limit_predict >= 1
        AND limit_export >= 1
    ),
    CONSTRAINT api_key_secret_hash_size CHECK (octet_length(secret_hash) = 32),
    CONSTRAINT api_key_sign_alg_known
    CHECK (sign_alg IN ('hmac-sha256', 'ed25519')),
    CONSTRAINT api_key_sign_key_size
    CHECK (
        octet_length(sign_key) = CASE sign_alg
            WHEN 'hmac-sha256' THEN 77 ELSE 32
        END
    ),
    CONSTRAINT api_key_sign_key_with_alg
    CHECK ((sign_key IS NULL) = (sign_alg IS NULL)),
    CONSTRAINT api_key_must_sign_can
    CHECK (NOT must_sign OR sign_alg IS NOT NULL),
    CONSTRAINT api_key_previous_whole
    CHECK (
        (previous_hash IS NULL) = (previous_until IS NULL)
        AND octet_length(previous_hash) = 32
        AND (previous_sign_key IS NULL)
        = (previous_until IS NULL OR sign_alg IS NULL)
    ),
    CONSTRAINT api_key_generation_positive CHECK (generation >= 1),
    CONSTRAINT api_key_version_positive CHECK (version >= 1),
    CONSTRAINT api_key_last_used_whole
    CHECK (last_used_network IS NULL OR last_used_at IS NOT NULL)
)
-- Room on the page for the row that says when it was last used.
WITH (fillfactor = 80);
CREATE INDEX api_key_user_idx ON eleusis.api_key (user_id, id DESC);

CREATE TRIGGER api_key_keep
BEFORE DELETE OR TRUNCATE ON eleusis.api_key
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();
CREATE TRIGGER api_key_revoked_for_good
BEFORE UPDATE ON eleusis.api_key
FOR EACH ROW
WHEN (old.revoked_at IS NOT NULL AND new.revoked_at IS DISTINCT FROM old.revoked_at)
EXECUTE FUNCTION eleusis.refuse_change();

COMMENT ON TABLE eleusis.api_key IS
'API keys. Never deleted, and revoked for good: audit rows refer to them';
COMMENT ON COLUMN eleusis.api_key.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.api_key.user_id IS 'In whose name it acts';
COMMENT ON COLUMN eleusis.api_key.created_by IS 'Who made it';
COMMENT ON COLUMN eleusis.api_key.prefix IS
'The visible beginning of the key, by which it is found; not secret';
COMMENT ON COLUMN eleusis.api_key.name IS 'What it is for, by whoever made it';
COMMENT ON COLUMN eleusis.api_key.scopes IS
'What it may do, within what the role of its user allows at the time';
COMMENT ON COLUMN eleusis.api_key.expires_at IS 'Its end; null: none';
COMMENT ON COLUMN eleusis.api_key.networks IS
'Where it may be used; empty: anywhere';
COMMENT ON COLUMN eleusis.api_key.limit_read IS
'Reads a minute; null: as the settings have it';
COMMENT ON COLUMN eleusis.api_key.limit_write IS 'Writes a minute; likewise';
COMMENT ON COLUMN eleusis.api_key.limit_predict IS
'Predictions a minute; likewise';
COMMENT ON COLUMN eleusis.api_key.limit_export IS 'Exports a minute; likewise';
COMMENT ON COLUMN eleusis.api_key.must_sign IS
'Requests without a signature are refused';
COMMENT ON COLUMN eleusis.api_key.secret_hash IS
'Keyed BLAKE2b of the whole key';
COMMENT ON COLUMN eleusis.api_key.previous_hash IS
'The same of the secret before the last rotation, while it overlaps';
COMMENT ON COLUMN eleusis.api_key.sign_alg IS
'hmac-sha256 or ed25519 (RFC 9421); null: it cannot sign';
COMMENT ON COLUMN eleusis.api_key.sign_key IS
'The HMAC secret, sealed; or the Ed25519 public key as it is';
COMMENT ON COLUMN eleusis.api_key.previous_sign_key IS
'The same of before the last rotation, while it overlaps';
COMMENT ON COLUMN eleusis.api_key.previous_until IS
'How long the former secret is good; null: there is none';
COMMENT ON COLUMN eleusis.api_key.generation IS
'Counts the secrets; the seal of sign_key binds to it';
COMMENT ON COLUMN eleusis.api_key.version IS 'Counts the changes; the ETag';
COMMENT ON COLUMN eleusis.api_key.created_at IS 'When it was made';
COMMENT ON COLUMN eleusis.api_key.updated_at IS 'When it was last changed';
COMMENT ON COLUMN eleusis.api_key.rotated_at IS
'When it last got a new secret';
COMMENT ON COLUMN eleusis.api_key.revoked_at IS
'When it was revoked; null: it was not';
COMMENT ON COLUMN eleusis.api_key.last_used_at IS
'When it was last used, to a minute';
COMMENT ON COLUMN eleusis.api_key.last_used_network IS
'From which /24 or /64';

-- What its user and administrators see: no hash, no secret.
CREATE VIEW eleusis.api_key_shown AS
SELECT
    k.id,
    k.user_id,
    k.created_by,
    k.prefix,
    k.name,
    array_to_string(k.scopes, ' ') AS scopes,
    k.expires_at,
    array_to_string(k.networks::text [], ' ') AS networks,
    k.limit_read,
    k.limit_write,
    k.limit_predict,
    k.limit_export,
    k.must_sign,
    k.sign_alg,
    CASE WHEN k.sign_alg = 'ed25519' THEN k.sign_key END AS public_key,
    k.previous_until,
    k.generation,
    k.version,
    k.created_at,
    k.updated_at,
    k.rotated_at,
    k.revoked_at,
    k.last_used_at,
    k.last_used_network::text AS last_used_network
FROM eleusis.api_key AS k;

COMMENT ON VIEW eleusis.api_key_shown IS
'Keys as the functions below show them';
COMMENT ON COLUMN eleusis.api_key_shown.id IS 'The key';
COMMENT ON COLUMN eleusis.api_key_shown.user_id IS 'In whose name it acts';
COMMENT ON COLUMN eleusis.api_key_shown.created_by IS 'Who made it';
COMMENT ON COLUMN eleusis.api_key_shown.prefix IS 'Its visible beginning';
COMMENT ON COLUMN eleusis.api_key_shown.name IS 'What it is for';
COMMENT ON COLUMN eleusis.api_key_shown.scopes IS 'Separated by spaces';
COMMENT ON COLUMN eleusis.api_key_shown.expires_at IS 'Its end; null: none';
COMMENT ON COLUMN eleusis.api_key_shown.networks IS 'Separated by spaces';
COMMENT ON COLUMN eleusis.api_key_shown.limit_read IS 'Reads a minute';
COMMENT ON COLUMN eleusis.api_key_shown.limit_write IS 'Writes a minute';
COMMENT ON COLUMN eleusis.api_key_shown.limit_predict IS
'Predictions a minute';
COMMENT ON COLUMN eleusis.api_key_shown.limit_export IS 'Exports a minute';
COMMENT ON COLUMN eleusis.api_key_shown.must_sign IS
'Requests must be signed';
COMMENT ON COLUMN eleusis.api_key_shown.sign_alg IS 'How it signs';
COMMENT ON COLUMN eleusis.api_key_shown.public_key IS 'Of ed25519 only';
COMMENT ON COLUMN eleusis.api_key_shown.previous_until IS
'How long the former secret is good';
COMMENT ON COLUMN eleusis.api_key_shown.generation IS 'Counts the secrets';
COMMENT ON COLUMN eleusis.api_key_shown.version IS 'Counts the changes';
COMMENT ON COLUMN eleusis.api_key_shown.created_at IS 'When it was made';
COMMENT ON COLUMN eleusis.api_key_shown.updated_at IS 'Its last change';
COMMENT ON COLUMN eleusis.api_key_shown.rotated_at IS 'Its last new secret';
COMMENT ON COLUMN eleusis.api_key_shown.revoked_at IS 'Its end by hand';
COMMENT ON COLUMN eleusis.api_key_shown.last_used_at IS 'Its last use';
COMMENT ON COLUMN eleusis.api_key_shown.last_used_network IS
'From which /24 or /64';

-- The one place that says who manages whose keys. Every function below joins
-- it.
CREATE VIEW eleusis.api_key_managed AS
SELECT
    k.id AS key_id,
    u.id AS actor_id,
    u.role
FROM eleusis.api_key AS k
INNER JOIN eleusis.app_user AS u ON k.user_id = u.id OR u.role = 'admin'
WHERE NOT u.disabled;

COMMENT ON VIEW eleusis.api_key_managed IS
'One''s own keys, and everybody''s for admins';
COMMENT ON COLUMN eleusis.api_key_managed.key_id IS 'The key';
COMMENT ON COLUMN eleusis.api_key_managed.actor_id IS
'Who sees, changes and revokes it';
COMMENT ON COLUMN eleusis.api_key_managed.role IS
'The role that user has now: the acting role must be the same';

REVOKE ALL ON
eleusis.api_key, eleusis.api_key_shown, eleusis.api_key_managed
FROM PUBLIC;

-- Admission. A revoked key and one of a disabled user are not there at all.
CREATE FUNCTION eleusis.api_key_by_prefix(p_prefix text)
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
        array_to_string(k.scopes, ' '), k.expires_at,
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
'The key with this prefix and its user; no row when it is unknown or revoked,
or the user is disabled';

-- Two at once count one after the other: they wait for the owner's row.
CREATE FUNCTION eleusis.api_key_create(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_user uuid,
    p_user_role text,
    p_prefix text,
    p_name text,
    p_scopes text [],
    p_expires timestamptz,
    p_networks text [],
    p_limits integer [],
    p_must_sign boolean,
    p_secret_hash bytea,
    p_sign_alg text,
    p_sign_key bytea,
    p_max integer
) RETURNS SETOF eleusis.api_key_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS a
    WHERE a.id = p_actor AND a.role = p_role AND NOT a.disabled
        AND (a.id = p_user OR a.role = 'admin');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not make keys of this user'
            USING ERRCODE = 'EL403';
    END IF;
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND u.role = p_user_role AND NOT u.disabled
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such user' USING ERRCODE = 'EL404';
    END IF;
    IF (
        SELECT count(*) FROM eleusis.api_key AS k
        WHERE k.user_id = p_user AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR k.expires_at > now())
    ) >= p_max THEN
        RAISE EXCEPTION 'too many keys' USING ERRCODE = 'EL409';
    END IF;
    INSERT INTO eleusis.api_key (
        id, user_id, created_by, prefix, name, scopes, expires_at, networks,
        limit_read, limit_write, limit_predict, limit_export, must_sign,
        secret_hash, sign_alg, sign_key
    ) VALUES (
        p_id, p_user, p_actor, p_prefix, p_name, p_scopes, p_expires,
        p_networks::cidr[], p_limits[1], p_limits[2], p_limits[3],
        p_limits[4], p_must_sign, p_secret_hash, p_sign_alg, p_sign_key
    );
    RETURN QUERY
    SELECT s.* FROM eleusis.api_key_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_create(
    uuid, text, uuid, uuid, text, text, text, text [], timestamptz, text [],
    integer [], boolean, bytea, text, bytea, integer
) IS
'Adds a key. EL403: the actor may not; EL404: the user is disabled, unknown or
of another role; EL409: the user has p_max keys in force';

CREATE FUNCTION eleusis.api_key_get(p_actor uuid, p_role text, p_id uuid)
RETURNS SETOF eleusis.api_key_shown
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.* FROM eleusis.api_key_shown AS s
    INNER JOIN eleusis.api_key_managed AS m ON m.key_id = s.id
    WHERE s.id = p_id AND m.actor_id = p_actor AND m.role = p_role;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_get(uuid, text, uuid) IS
'One key, revoked or not; no row when the actor does not manage it';

CREATE FUNCTION eleusis.api_key_list(
    p_actor uuid, p_role text, p_user uuid, p_after uuid, p_limit integer
)
RETURNS SETOF eleusis.api_key_shown
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT s.* FROM eleusis.api_key_shown AS s
    INNER JOIN eleusis.api_key_managed AS m ON m.key_id = s.id
    WHERE m.actor_id = p_actor AND m.role = p_role
        AND (p_user IS NULL OR s.user_id = p_user)
        AND s.id < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY s.id DESC
    LIMIT least(p_limit, 1000);
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_list(uuid, text, uuid, uuid, integer) IS
'The keys that the actor manages, or those of one user among them: newest id
first, below p_after. At most 1000';

-- Why a change found nothing to change.
CREATE FUNCTION eleusis.api_key_refuse(p_actor uuid, p_role text, p_id uuid)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_live boolean;
BEGIN
    SELECT k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
    INTO v_live
    FROM eleusis.api_key AS k
    INNER JOIN eleusis.api_key_managed AS m ON m.key_id = k.id
    WHERE k.id = p_id AND m.actor_id = p_actor AND m.role = p_role;
    IF v_live THEN
        RAISE EXCEPTION 'the key has another version'
            USING ERRCODE = 'EL412';
    ELSIF NOT v_live THEN
        RAISE EXCEPTION 'the key is revoked or expired'
            USING ERRCODE = 'EL409';
    END IF;
    RAISE EXCEPTION 'no such key' USING ERRCODE = 'EL404';
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_refuse(uuid, text, uuid) IS
'Raises EL404, EL409 or EL412 for a key that could not be changed';

CREATE FUNCTION eleusis.api_key_update(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_expected integer,
    p_name text,
    p_expires timestamptz,
    p_networks text [],
    p_limits integer [],
    p_must_sign boolean
) RETURNS SETOF eleusis.api_key_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.api_key AS k
    SET name = p_name, expires_at = p_expires,
        networks = p_networks::cidr[], limit_read = p_limits[1],
        limit_write = p_limits[2], limit_predict = p_limits[3],
        limit_export = p_limits[4], must_sign = p_must_sign,
        version = k.version + 1, updated_at = now()
    FROM eleusis.api_key_managed AS m
    WHERE k.id = p_id AND k.version = p_expected AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
        AND m.key_id = p_id AND m.actor_id = p_actor AND m.role = p_role;
    IF NOT FOUND THEN
        PERFORM eleusis.api_key_refuse(p_actor, p_role, p_id);
    END IF;
    RETURN QUERY
    SELECT s.* FROM eleusis.api_key_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_update(
    uuid, text, uuid, integer, text, timestamptz, text [], integer [], boolean
) IS
'Changes a key in force if the version is the one expected. EL404: not
managed by the actor; EL409: revoked or expired; EL412: another version';

CREATE FUNCTION eleusis.api_key_rotate(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_expected integer,
    p_overlap integer,
    p_secret_hash bytea,
    p_sign_key bytea
) RETURNS SETOF eleusis.api_key_shown
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.api_key AS k
    SET previous_hash = CASE WHEN p_overlap > 0 THEN k.secret_hash END,
        previous_sign_key = CASE WHEN p_overlap > 0 THEN k.sign_key END,
        previous_until = CASE
            WHEN p_overlap > 0 THEN now() + make_interval(secs => p_overlap)
        END,
        secret_hash = p_secret_hash,
        sign_key = coalesce(p_sign_key, k.sign_key),
        generation = k.generation + 1, version = k.version + 1,
        updated_at = now(), rotated_at = now()
    FROM eleusis.api_key_managed AS m
    WHERE k.id = p_id AND k.version = p_expected AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > now())
        AND m.key_id = p_id AND m.actor_id = p_actor AND m.role = p_role;
    IF NOT FOUND THEN
        PERFORM eleusis.api_key_refuse(p_actor, p_role, p_id);
    END IF;
    RETURN QUERY
    SELECT s.* FROM eleusis.api_key_shown AS s WHERE s.id = p_id;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_rotate(
    uuid, text, uuid, integer, integer, bytea, bytea
) IS
'Gives a key in force a new secret; the former one is good for p_overlap
seconds. Errors as of api_key_update';

CREATE FUNCTION eleusis.api_key_revoke(p_actor uuid, p_role text, p_id uuid)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revoked timestamptz;
BEGIN
    UPDATE eleusis.api_key AS k
    SET revoked_at = coalesce(k.revoked_at, now()),
        version = k.version + (k.revoked_at IS NULL)::integer,
        updated_at
        = CASE WHEN k.revoked_at IS NULL THEN now() ELSE k.updated_at END
    FROM eleusis.api_key_managed AS m
    WHERE k.id = p_id
        AND m.key_id = p_id AND m.actor_id = p_actor AND m.role = p_role
    RETURNING k.revoked_at INTO v_revoked;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such key' USING ERRCODE = 'EL404';
    END IF;
    RETURN v_revoked;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_revoke(uuid, text, uuid) IS
'Ends a key for good; when that was. EL404: not managed by the actor';

-- At most once a minute a key and network, whichever worker says so. Rows are
-- locked in one order, so that two batches do not wait for each other.
CREATE FUNCTION eleusis.api_key_used(
    p_ids uuid [], p_at timestamptz [], p_networks text []
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_noted integer;
BEGIN
    WITH used AS (
        SELECT u.id, u.at, u.network::cidr AS network
        FROM unnest(p_ids, p_at, p_networks) AS u (id, at, network)
    ), locked AS (
        SELECT k.id, u.at, u.network
        FROM eleusis.api_key AS k
        INNER JOIN used AS u ON u.id = k.id
        WHERE k.last_used_at IS NULL
            OR k.last_used_at <= u.at - interval '1 minute'
            OR (
                k.last_used_at < u.at AND k.last_used_network <> u.network
            )
        ORDER BY k.id
        FOR NO KEY UPDATE OF k
    )
    UPDATE eleusis.api_key AS k
    SET last_used_at = l.at, last_used_network = l.network
    FROM locked AS l
    WHERE k.id = l.id;
    GET DIAGNOSTICS v_noted = ROW_COUNT;
    RETURN v_noted;
END;
$$;
COMMENT ON FUNCTION eleusis.api_key_used(uuid [], timestamptz [], text []) IS
'Notes when and from where keys were last used; how many rows it changed';

GRANT EXECUTE ON FUNCTION
eleusis.api_key_by_prefix(text),
eleusis.api_key_create(
    uuid, text, uuid, uuid, text, text, text, text [], timestamptz, text [],
    integer [], boolean, bytea, text, bytea, integer
),
eleusis.api_key_get(uuid, text, uuid),
eleusis.api_key_list(uuid, text, uuid, uuid, integer),
eleusis.api_key_update(
    uuid, text, uuid, integer, text, timestamptz, text [], integer [], boolean
),
eleusis.api_key_rotate(uuid, text, uuid, integer, integer, bytea, bytea),
eleusis.api_key_revoke(uuid, text, uuid),
eleusis.api_key_used(uuid [], timestamptz [], text [])
TO eleusis_server;
