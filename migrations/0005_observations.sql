-- Typed clinical measurements of a patient. Never changed; the code is found
-- through a blind index, the rest is sealed.

CREATE TABLE eleusis.observation (
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    code_index bytea NOT NULL,
    payload bytea NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT observation_pkey PRIMARY KEY (id),
    CONSTRAINT observation_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT observation_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT observation_code_index_size
    CHECK (octet_length(code_index) = 16),
    CONSTRAINT observation_payload_sealed CHECK (octet_length(payload) >= 45)
);
CREATE INDEX observation_patient_idx
ON eleusis.observation (patient_id, id DESC);
CREATE INDEX observation_code_idx
ON eleusis.observation (patient_id, code_index, id DESC);
ALTER TABLE eleusis.observation ALTER COLUMN payload SET STORAGE EXTERNAL;

COMMENT ON TABLE eleusis.observation IS 'Measurements of patients, sealed';
COMMENT ON COLUMN eleusis.observation.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.observation.patient_id IS 'Whose';
COMMENT ON COLUMN eleusis.observation.code_index IS
'Blind index (keyed hash) of the code';
COMMENT ON COLUMN eleusis.observation.payload IS
'Sealed: code, value, unit, time and note';
COMMENT ON COLUMN eleusis.observation.created_by IS
'The app_user who wrote it. No foreign key: each insert would lock that one
row of app_user; observation_create checks it, and users are never deleted';
COMMENT ON COLUMN eleusis.observation.created_at IS 'When';

REVOKE ALL ON eleusis.observation FROM PUBLIC;

CREATE FUNCTION eleusis.observation_create(
    p_actor uuid,
    p_role text,
    p_patient uuid,
    p_id uuid,
    p_code_index bytea,
    p_payload bytea
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_created timestamptz;
BEGIN
    INSERT INTO eleusis.observation AS o (
        id, patient_id, code_index, payload, created_by
    )
    SELECT p_id, p.id, p_code_index, p_payload, c.user_id
    FROM eleusis.patient AS p
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE p.id = p_patient AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role
    RETURNING o.created_at INTO v_created;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such patient' USING ERRCODE = 'EL404';
    END IF;
    RETURN v_created;
END;
$$;
COMMENT ON FUNCTION eleusis.observation_create(
    uuid, text, uuid, uuid, bytea, bytea
) IS
'Adds a measurement. EL404: the patient is not in the actor''s care';

CREATE FUNCTION eleusis.observation_list(
    p_actor uuid, p_role text, p_patient uuid, p_after uuid, p_limit integer
)
RETURNS TABLE (id uuid, payload bytea, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT o.id, o.payload, o.created_at
    FROM eleusis.observation AS o
    WHERE o.patient_id = p_patient
        AND o.id < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        AND EXISTS (
            SELECT FROM eleusis.patient AS p
            INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
            WHERE p.id = p_patient AND p.erased_at IS NULL
                AND c.user_id = p_actor AND c.role = p_role
        )
    ORDER BY o.id DESC
    LIMIT least(p_limit, 1000);
END;
$$;
COMMENT ON FUNCTION eleusis.observation_list(
    uuid, text, uuid, uuid, integer
) IS
'A patient''s measurements, newest id first, below p_after; at most 1000, and
none when the patient is not in the actor''s care';

CREATE FUNCTION eleusis.observation_get(
    p_actor uuid, p_role text, p_patient uuid, p_id uuid
)
RETURNS TABLE (id uuid, payload bytea, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT o.id, o.payload, o.created_at
    FROM eleusis.observation AS o
    INNER JOIN eleusis.patient AS p ON p.id = o.patient_id
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE o.id = p_id AND o.patient_id = p_patient AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role;
END;
$$;
COMMENT ON FUNCTION eleusis.observation_get(uuid, text, uuid, uuid) IS
'One measurement of a patient in the actor''s care, or no row';

CREATE FUNCTION eleusis.observation_latest(
    p_actor uuid,
    p_role text,
    p_patient uuid,
    p_codes bytea[],
    p_before uuid[],
    p_per_code integer
)
RETURNS TABLE (
    id uuid, code_index bytea, payload bytea, created_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT n.id, n.code_index, n.payload, n.created_at
    FROM eleusis.care_in_force AS c
    INNER JOIN eleusis.patient AS p ON p.id = c.patient_id
    CROSS JOIN unnest(p_codes, p_before) AS w (code, before)
    CROSS JOIN LATERAL (
        SELECT o.id, o.code_index, o.payload, o.created_at
        FROM eleusis.observation AS o
        WHERE o.patient_id = p_patient AND o.code_index = w.code
            AND o.id
            < coalesce(w.before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        ORDER BY o.id DESC
        LIMIT least(p_per_code, 1000)
    ) AS n
    WHERE c.patient_id = p_patient AND c.user_id = p_actor
        AND c.role = p_role AND p.erased_at IS NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.observation_latest(
    uuid, text, uuid, bytea[], uuid[], integer
) IS
'For each code the newest p_per_code measurements by id (at most 1000) below
the p_before of the same place (null: from the newest; a null array: all), for
a patient in the actor''s care';

GRANT EXECUTE ON FUNCTION
eleusis.observation_create(uuid, text, uuid, uuid, bytea, bytea),
eleusis.observation_list(uuid, text, uuid, uuid, integer),
eleusis.observation_get(uuid, text, uuid, uuid),
eleusis.observation_latest(uuid, text, uuid, bytea[], uuid[], integer)
TO eleusis_server;
