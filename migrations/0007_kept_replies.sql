-- Replies that are kept so that a request can be repeated with its
-- Idempotency-Key. They are written in the transaction of what they tell of,
-- sealed under the patient's data key (or the server's own, when they are
-- about no patient), and live for a day.

CREATE TABLE eleusis.kept_reply (
    key_hash bytea NOT NULL,
    id uuid NOT NULL,
    principal_id uuid NOT NULL,
    operation text NOT NULL,
    request_hash bytea NOT NULL,
    patient_id uuid,
    reply bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT kept_reply_pkey PRIMARY KEY (key_hash),
    CONSTRAINT kept_reply_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT kept_reply_key_hash_size CHECK (octet_length(key_hash) = 32),
    CONSTRAINT kept_reply_request_hash_size
    CHECK (octet_length(request_hash) = 32),
    CONSTRAINT kept_reply_operation_form
    CHECK (length(operation) BETWEEN 1 AND 64),
    CONSTRAINT kept_reply_sealed CHECK (octet_length(reply) >= 45),
    CONSTRAINT kept_reply_ends_after_start CHECK (expires_at > created_at)
);
CREATE INDEX kept_reply_expires_idx ON eleusis.kept_reply (expires_at);
CREATE INDEX kept_reply_patient_idx
ON eleusis.kept_reply (patient_id) WHERE patient_id IS NOT NULL;

COMMENT ON TABLE eleusis.kept_reply IS
'Replies to requests with an Idempotency-Key, for a repetition within a day';
COMMENT ON COLUMN eleusis.kept_reply.key_hash IS
'Keyed BLAKE2b of principal, operation and Idempotency-Key';
COMMENT ON COLUMN eleusis.kept_reply.id IS
'UUIDv7; the sealed reply is bound to it';
COMMENT ON COLUMN eleusis.kept_reply.principal_id IS
'The user, or the API key, whose request it was';
COMMENT ON COLUMN eleusis.kept_reply.operation IS 'The operationId';
COMMENT ON COLUMN eleusis.kept_reply.request_hash IS
'Keyed BLAKE2b of path, query and body: another request is refused';
COMMENT ON COLUMN eleusis.kept_reply.patient_id IS
'Whose data key seals the reply; null: it is about no patient';
COMMENT ON COLUMN eleusis.kept_reply.reply IS
'Status, headers and body, sealed';
COMMENT ON COLUMN eleusis.kept_reply.created_at IS 'When it was written';
COMMENT ON COLUMN eleusis.kept_reply.expires_at IS 'When it is forgotten';

REVOKE ALL ON eleusis.kept_reply FROM PUBLIC;

-- The lock is the request under way: it goes with its transaction, also when
-- the server dies in the middle. It is released after the row can be seen, so
-- whoever gets it next finds the row.
CREATE FUNCTION eleusis.reply_claim(
    p_actor uuid, p_role text, p_key_hash bytea
)
RETURNS TABLE (
    state text,
    id uuid,
    request_hash bytea,
    patient_id uuid,
    reply bytea,
    key_version integer,
    wrapped_key bytea
)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_lock bigint
    := ('x' || encode(substr(p_key_hash, 1, 8), 'hex'))::bit(64)::bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(v_lock) THEN
        RETURN QUERY SELECT 'busy', NULL::uuid, NULL::bytea, NULL::uuid,
            NULL::bytea, NULL::integer, NULL::bytea;
        RETURN;
    END IF;
    DELETE FROM eleusis.kept_reply AS r
    WHERE r.key_hash = p_key_hash AND r.expires_at <= now();
    RETURN QUERY
    SELECT 'kept', r.id, r.request_hash, r.patient_id, r.reply,
        k.key_version, k.wrapped_key
    FROM eleusis.kept_reply AS r
    LEFT JOIN LATERAL eleusis.patient_key(p_actor, p_role, r.patient_id) AS k
        ON true
    WHERE r.key_hash = p_key_hash;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'new', NULL::uuid, NULL::bytea, NULL::uuid,
            NULL::bytea, NULL::integer, NULL::bytea;
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.reply_claim(uuid, text, bytea) IS
'Claims an Idempotency-Key for this transaction: new, kept (with the reply and
its patient''s key, when she is in the actor''s care) or busy';

CREATE FUNCTION eleusis.reply_keep(
    p_key_hash bytea,
    p_id uuid,
    p_principal uuid,
    p_operation text,
    p_request_hash bytea,
    p_patient uuid,
    p_reply bytea,
    p_seconds integer
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO eleusis.kept_reply (
        key_hash, id, principal_id, operation, request_hash, patient_id,
        reply, expires_at
    )
    VALUES (
        p_key_hash, p_id, p_principal, p_operation, p_request_hash,
        p_patient, p_reply, now() + make_interval(secs => p_seconds)
    );
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.reply_keep(
    bytea, uuid, uuid, text, bytea, uuid, bytea, integer
) IS
'Keeps the reply of the key that this transaction has claimed';

CREATE FUNCTION eleusis.replies_forget(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_gone integer;
BEGIN
    DELETE FROM eleusis.kept_reply AS r
    WHERE r.key_hash IN (
        SELECT o.key_hash
        FROM eleusis.kept_reply AS o
        WHERE o.expires_at <= now()
        ORDER BY o.expires_at
        LIMIT least(p_limit, 1000)
        FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END;
$$;
COMMENT ON FUNCTION eleusis.replies_forget(integer) IS
'Deletes up to so many replies whose time is over; how many it deleted';

GRANT EXECUTE ON FUNCTION
eleusis.reply_claim(uuid, text, bytea),
eleusis.reply_keep(
    bytea, uuid, uuid, text, bytea, uuid, bytea, integer
),
eleusis.replies_forget(integer)
TO eleusis_server;
