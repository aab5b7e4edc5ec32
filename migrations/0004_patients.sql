-- Patients, who cares for them, and the functions that are the only way of
-- the server to either. What identifies or describes a patient is sealed by
-- the server (XChaCha20-Poly1305, 45 bytes more than the plain text).

CREATE TABLE eleusis.patient (
    id uuid NOT NULL,
    version integer NOT NULL DEFAULT 1,
    identity bytea NOT NULL,
    clinical bytea NOT NULL,
    mrn_index bytea,
    key_version integer NOT NULL,
    wrapped_key bytea,
    kek_version integer NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    CONSTRAINT patient_pkey PRIMARY KEY (id),
    CONSTRAINT patient_mrn_index_key UNIQUE (mrn_index),
    CONSTRAINT patient_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES eleusis.app_user (id),
    CONSTRAINT patient_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT patient_version_positive CHECK (version >= 1),
    CONSTRAINT patient_identity_sealed CHECK (octet_length(identity) >= 45),
    CONSTRAINT patient_clinical_sealed CHECK (octet_length(clinical) >= 45),
    CONSTRAINT patient_mrn_index_size CHECK (octet_length(mrn_index) = 16),
    CONSTRAINT patient_key_version_positive CHECK (key_version >= 1),
    CONSTRAINT patient_wrapped_key_size CHECK (octet_length(wrapped_key) >= 77),
    CONSTRAINT patient_kek_version_positive CHECK (kek_version >= 1),
    -- Erasing is destroying the key; a living patient always has one.
    CONSTRAINT patient_key_until_erased
    CHECK ((wrapped_key IS NULL) = (erased_at IS NOT NULL)),
    CONSTRAINT patient_erased_not_found
    CHECK (erased_at IS NULL OR mrn_index IS NULL)
);
-- Ciphertext does not compress: do not try.
ALTER TABLE eleusis.patient ALTER COLUMN identity SET STORAGE EXTERNAL;
ALTER TABLE eleusis.patient ALTER COLUMN clinical SET STORAGE EXTERNAL;

COMMENT ON TABLE eleusis.patient IS 'Patients, sealed under a key of their own';
COMMENT ON COLUMN eleusis.patient.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.patient.version IS
'Counts the changes; the ETag, and part of what the seals bind to';
COMMENT ON COLUMN eleusis.patient.identity IS
'Sealed JSON: who the patient is';
COMMENT ON COLUMN eleusis.patient.clinical IS 'Sealed JSON: what is noted about the patient';
COMMENT ON COLUMN eleusis.patient.mrn_index IS
'Blind index (keyed hash) of the medical record number, for equality';
COMMENT ON COLUMN eleusis.patient.key_version IS 'Version of the data key';
COMMENT ON COLUMN eleusis.patient.wrapped_key IS
'The data key, sealed by the key-encryption key; null once erased';
COMMENT ON COLUMN eleusis.patient.kek_version IS
'Version of that key-encryption key';
COMMENT ON COLUMN eleusis.patient.created_by IS 'The user who created it';
COMMENT ON COLUMN eleusis.patient.created_at IS 'When';
COMMENT ON COLUMN eleusis.patient.updated_at IS 'When it was last changed';
COMMENT ON COLUMN eleusis.patient.erased_at IS
'When the data key was destroyed; the patient is then nowhere to be found';

CREATE TABLE eleusis.care_relationship (
    patient_id uuid NOT NULL,
    user_id uuid NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    CONSTRAINT care_relationship_pkey PRIMARY KEY (patient_id, user_id),
    CONSTRAINT care_relationship_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT care_relationship_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT care_relationship_reason_form
    CHECK (length(reason) BETWEEN 1 AND 500),
    CONSTRAINT care_relationship_ends_after_start CHECK (until > since)
);
CREATE INDEX care_relationship_user_idx
ON eleusis.care_relationship (user_id, patient_id DESC);

COMMENT ON TABLE eleusis.care_relationship IS
'Who sees which patient, from when until when';
COMMENT ON COLUMN eleusis.care_relationship.patient_id IS 'The patient';
COMMENT ON COLUMN eleusis.care_relationship.user_id IS
'The clinician or service';
COMMENT ON COLUMN eleusis.care_relationship.reason IS
'Why: created, referral, …; no clinical detail';
COMMENT ON COLUMN eleusis.care_relationship.since IS 'In force from';
COMMENT ON COLUMN eleusis.care_relationship.until IS
'In force until; null: no end';

-- The one place that says who sees whom. Every function below joins it; the
-- planner flattens it into two look-ups by primary key.
CREATE VIEW eleusis.care_in_force AS
SELECT
    c.patient_id,
    c.user_id,
    u.role
FROM eleusis.care_relationship AS c
INNER JOIN eleusis.app_user AS u ON c.user_id = u.id
WHERE
    u.role IN ('clinician', 'service')
    AND NOT u.disabled
    AND c.since <= now()
    AND (c.until IS NULL OR c.until > now());

COMMENT ON VIEW eleusis.care_in_force IS
'Care relationships valid now, of enabled clinicians and services';
COMMENT ON COLUMN eleusis.care_in_force.patient_id IS 'The patient';
COMMENT ON COLUMN eleusis.care_in_force.user_id IS 'Who sees the patient';
COMMENT ON COLUMN eleusis.care_in_force.role IS
'The role that user has now: the acting role must be the same';

REVOKE ALL ON
eleusis.patient, eleusis.care_relationship, eleusis.care_in_force
FROM PUBLIC;

CREATE FUNCTION eleusis.patient_create(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_identity bytea,
    p_clinical bytea,
    p_mrn_index bytea,
    p_key_version integer,
    p_wrapped bytea,
    p_kek_version integer
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_created timestamptz;
BEGIN
    INSERT INTO eleusis.patient AS p (
        id, identity, clinical, mrn_index, key_version, wrapped_key,
        kek_version, created_by
    )
    SELECT p_id, p_identity, p_clinical, p_mrn_index, p_key_version,
        p_wrapped, p_kek_version, u.id
    FROM eleusis.app_user AS u
    WHERE u.id = p_actor AND u.role = p_role AND NOT u.disabled
        AND u.role IN ('clinician', 'service')
    RETURNING p.created_at INTO v_created;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not create patients'
            USING ERRCODE = 'EL403';
    END IF;
    INSERT INTO eleusis.care_relationship (patient_id, user_id, reason)
    VALUES (p_id, p_actor, 'created');
    RETURN v_created;
END;
$$;
COMMENT ON FUNCTION eleusis.patient_create(
    uuid, text, uuid, bytea, bytea, bytea, integer, bytea, integer
) IS
'Adds a patient in the actor''s care. 23505: the record number is taken;
EL403: the actor is not an enabled clinician or service';

CREATE FUNCTION eleusis.patient_get(p_actor uuid, p_role text, p_id uuid)
RETURNS TABLE (
    id uuid,
    version integer,
    identity bytea,
    clinical bytea,
    key_version integer,
    wrapped_key bytea,
    kek_version integer,
    created_at timestamptz,
    updated_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT p.id, p.version, p.identity, p.clinical, p.key_version,
        p.wrapped_key, p.kek_version, p.created_at, p.updated_at
    FROM eleusis.patient AS p
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE p.id = p_id AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role;
END;
$$;
COMMENT ON FUNCTION eleusis.patient_get(uuid, text, uuid) IS
'One patient; no row when not in the actor''s care, erased or unknown';

CREATE FUNCTION eleusis.patient_list(
    p_actor uuid, p_role text, p_after uuid, p_limit integer, p_mrn_index bytea
)
RETURNS TABLE (
    id uuid,
    version integer,
    identity bytea,
    clinical bytea,
    key_version integer,
    wrapped_key bytea,
    kek_version integer,
    created_at timestamptz,
    updated_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    -- coalesce keeps the bound usable by the index in a generic plan.
    IF p_mrn_index IS NULL THEN
        RETURN QUERY
        SELECT p.id, p.version, p.identity, p.clinical, p.key_version,
            p.wrapped_key, p.kek_version, p.created_at, p.updated_at
        FROM eleusis.care_in_force AS c
        INNER JOIN eleusis.patient AS p ON p.id = c.patient_id
        WHERE c.user_id = p_actor AND c.role = p_role
            AND p.erased_at IS NULL
            AND c.patient_id
            < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY c.patient_id DESC
        LIMIT least(p_limit, 1000);
    ELSE
        RETURN QUERY
        SELECT p.id, p.version, p.identity, p.clinical, p.key_version,
            p.wrapped_key, p.kek_version, p.created_at, p.updated_at
        FROM eleusis.patient AS p
        INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
        WHERE p.mrn_index = p_mrn_index AND p.erased_at IS NULL
            AND c.user_id = p_actor AND c.role = p_role
            AND p.id
            < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        LIMIT least(p_limit, 1000);
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.patient_list(uuid, text, uuid, integer, bytea) IS
'The actor''s patients, newest id first, below p_after; or the one of a record
number. At most 1000';

CREATE FUNCTION eleusis.patient_update(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_expected integer,
    p_identity bytea,
    p_clinical bytea,
    p_mrn_index bytea
)
RETURNS TABLE (version integer, updated_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    UPDATE eleusis.patient AS p
    SET version = p.version + 1, identity = p_identity,
        clinical = p_clinical, mrn_index = p_mrn_index, updated_at = now()
    FROM eleusis.care_in_force AS c
    WHERE p.id = p_id AND p.version = p_expected AND p.erased_at IS NULL
        AND c.patient_id = p_id AND c.user_id = p_actor AND c.role = p_role
    RETURNING p.version, p.updated_at;
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM eleusis.patient_key(p_actor, p_role, p_id);
    IF FOUND THEN
        RAISE EXCEPTION 'the patient has another version'
            USING ERRCODE = 'EL412';
    END IF;
    RAISE EXCEPTION 'no such patient' USING ERRCODE = 'EL404';
END;
$$;
COMMENT ON FUNCTION eleusis.patient_update(
    uuid, text, uuid, integer, bytea, bytea, bytea
) IS
'Replaces the sealed fields and the record number if the version is the one
expected. EL404: not visible; EL412: another version; 23505: number taken';

CREATE FUNCTION eleusis.patient_key(p_actor uuid, p_role text, p_patient uuid)
RETURNS TABLE (key_version integer, wrapped_key bytea, kek_version integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT p.key_version, p.wrapped_key, p.kek_version
    FROM eleusis.patient AS p
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE p.id = p_patient AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role;
END;
$$;
COMMENT ON FUNCTION eleusis.patient_key(uuid, text, uuid) IS
'The wrapped data key; no row when not in the actor''s care';

GRANT EXECUTE ON FUNCTION
eleusis.patient_create(
    uuid, text, uuid, bytea, bytea, bytea, integer, bytea, integer
),
eleusis.patient_get(uuid, text, uuid),
eleusis.patient_list(uuid, text, uuid, integer, bytea),
eleusis.patient_update(uuid, text, uuid, integer, bytea, bytea, bytea),
eleusis.patient_key(uuid, text, uuid)
TO eleusis_server;
