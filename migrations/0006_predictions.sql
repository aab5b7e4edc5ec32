-- What a model said about a patient, with all that is needed to say it
-- again: model, version, digests, engine, and the sealed inputs and output.

CREATE TABLE eleusis.prediction (
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    model_name text NOT NULL,
    model_version text NOT NULL,
    model_digest text NOT NULL,
    schema_digest text NOT NULL,
    engine text NOT NULL,
    payload bytea NOT NULL,
    audit_event_id uuid NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT prediction_pkey PRIMARY KEY (id),
    CONSTRAINT prediction_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT prediction_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT prediction_audit_event_id_not_nil
    CHECK (audit_event_id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT prediction_model_name_form
    CHECK (length(model_name) BETWEEN 1 AND 100),
    CONSTRAINT prediction_model_version_form
    CHECK (length(model_version) BETWEEN 1 AND 50),
    CONSTRAINT prediction_model_digest_form
    CHECK (model_digest ~ '^(sha256:)?[0-9a-f]{64}$'),
    CONSTRAINT prediction_schema_digest_form
    CHECK (schema_digest ~ '^(sha256:)?[0-9a-f]{64}$'),
    CONSTRAINT prediction_engine_form CHECK (length(engine) BETWEEN 1 AND 100),
    CONSTRAINT prediction_payload_sealed CHECK (octet_length(payload) >= 45)
);
CREATE INDEX prediction_patient_idx
ON eleusis.prediction (patient_id, id DESC);
ALTER TABLE eleusis.prediction ALTER COLUMN payload SET STORAGE EXTERNAL;

COMMENT ON TABLE eleusis.prediction IS
'Predictions, reproducible, with sealed inputs and output';
COMMENT ON COLUMN eleusis.prediction.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.prediction.patient_id IS 'About whom';
COMMENT ON COLUMN eleusis.prediction.model_name IS 'Which model';
COMMENT ON COLUMN eleusis.prediction.model_version IS 'Which version of it';
COMMENT ON COLUMN eleusis.prediction.model_digest IS
'SHA-256 of the model file, in hex';
COMMENT ON COLUMN eleusis.prediction.schema_digest IS
'SHA-256 of its feature schema, in hex';
COMMENT ON COLUMN eleusis.prediction.engine IS 'What computed it, and version';
COMMENT ON COLUMN eleusis.prediction.payload IS
'Sealed: inputs, their sources, margin and probability';
COMMENT ON COLUMN eleusis.prediction.audit_event_id IS
'The audit row of the same statement. No foreign key: that row is inserted
after the function has run';
COMMENT ON COLUMN eleusis.prediction.created_by IS
'The app_user who asked. No foreign key, as in observation';
COMMENT ON COLUMN eleusis.prediction.created_at IS 'When';

REVOKE ALL ON eleusis.prediction FROM PUBLIC;

CREATE FUNCTION eleusis.prediction_create(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_patient uuid,
    p_model_name text,
    p_model_version text,
    p_model_digest text,
    p_schema_digest text,
    p_engine text,
    p_payload bytea,
    p_audit_event uuid
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_created timestamptz;
BEGIN
    INSERT INTO eleusis.prediction AS n (
        id, patient_id, model_name, model_version, model_digest,
        schema_digest, engine, payload, audit_event_id, created_by
    )
    SELECT p_id, p.id, p_model_name, p_model_version, p_model_digest,
        p_schema_digest, p_engine, p_payload, p_audit_event, c.user_id
    FROM eleusis.patient AS p
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE p.id = p_patient AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role
    RETURNING n.created_at INTO v_created;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such patient' USING ERRCODE = 'EL404';
    END IF;
    RETURN v_created;
END;
$$;
COMMENT ON FUNCTION eleusis.prediction_create(
    uuid, text, uuid, uuid, text, text, text, text, text, bytea, uuid
) IS
'Adds a prediction. EL404: the patient is not in the actor''s care';

CREATE FUNCTION eleusis.prediction_get(p_actor uuid, p_role text, p_id uuid)
RETURNS TABLE (
    id uuid,
    patient_id uuid,
    model_name text,
    model_version text,
    model_digest text,
    schema_digest text,
    engine text,
    payload bytea,
    audit_event_id uuid,
    created_at timestamptz,
    key_version integer,
    wrapped_key bytea,
    kek_version integer
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT n.id, n.patient_id, n.model_name, n.model_version,
        n.model_digest, n.schema_digest, n.engine, n.payload,
        n.audit_event_id, n.created_at, p.key_version, p.wrapped_key,
        p.kek_version
    FROM eleusis.prediction AS n
    INNER JOIN eleusis.patient AS p ON p.id = n.patient_id
    INNER JOIN eleusis.care_in_force AS c ON c.patient_id = p.id
    WHERE n.id = p_id AND p.erased_at IS NULL
        AND c.user_id = p_actor AND c.role = p_role;
END;
$$;
COMMENT ON FUNCTION eleusis.prediction_get(uuid, text, uuid) IS
'One prediction with its patient''s key, when that patient is in the actor''s
care; else no row';

GRANT EXECUTE ON FUNCTION
eleusis.prediction_create(
    uuid, text, uuid, uuid, text, text, text, text, text, bytea, uuid
),
eleusis.prediction_get(uuid, text, uuid)
TO eleusis_server;
