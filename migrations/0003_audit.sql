-- The record of who did what: appended to, never changed. One partition a
-- month by the time inside the UUIDv7, and a default one for anything else,
-- so that an insert never fails for want of a partition.

CREATE TABLE eleusis.audit_event (
    id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    object_type text,
    object_id uuid,
    request_id uuid,
    client_ip inet,
    detail jsonb,
    -- The writer computes these two: generated columns would be parsed and
    -- evaluated anew by every statement that appends.
    patient_id uuid,
    key_id uuid,
    CONSTRAINT audit_event_pkey PRIMARY KEY (id),
    CONSTRAINT audit_event_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT audit_event_action_form CHECK (length(action) BETWEEN 1 AND 64),
    CONSTRAINT audit_event_outcome_known
    CHECK (outcome IN ('allowed', 'denied', 'failed')),
    CONSTRAINT audit_event_actor_kind_known
    CHECK (actor_kind IN ('user', 'anonymous', 'system')),
    CONSTRAINT audit_event_user_named
    CHECK (actor_kind <> 'user' OR actor_id IS NOT NULL),
    CONSTRAINT audit_event_object_typed
    CHECK (object_id IS NULL OR object_type IS NOT NULL),
    CONSTRAINT audit_event_detail_object
    CHECK (detail IS NULL OR jsonb_typeof(detail) = 'object')
) PARTITION BY RANGE (id);

-- Who saw a patient, what was done to an object, what an actor did: newest
-- first straight from an index. Every index is paid for by every access, so an
-- event is never in two of the first three, and a filter by action alone walks
-- the primary key.
CREATE INDEX audit_event_patient_idx
ON eleusis.audit_event (patient_id, id DESC) WHERE patient_id IS NOT NULL;
CREATE INDEX audit_event_object_idx
ON eleusis.audit_event (object_id, id DESC)
WHERE object_id IS NOT NULL AND object_type <> 'patient';
CREATE INDEX audit_event_listed_idx
ON eleusis.audit_event USING gin ((detail -> 'patients'))
WHERE action = 'patient.list';
CREATE INDEX audit_event_actor_idx
ON eleusis.audit_event (actor_id, id DESC) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_event_key_idx
ON eleusis.audit_event (key_id, id DESC) WHERE key_id IS NOT NULL;

COMMENT ON TABLE eleusis.audit_event IS
'Who did what, when: append-only, for the owner too';
COMMENT ON COLUMN eleusis.audit_event.id IS
'UUIDv7; its time decides the partition';
COMMENT ON COLUMN eleusis.audit_event.occurred_at IS 'When it happened';
COMMENT ON COLUMN eleusis.audit_event.action IS 'What, as "patient.read"';
COMMENT ON COLUMN eleusis.audit_event.outcome IS
'allowed, denied or failed; a later row of the same request corrects it';
COMMENT ON COLUMN eleusis.audit_event.actor_kind IS
'user, anonymous or system (eleusisctl, jobs)';
COMMENT ON COLUMN eleusis.audit_event.actor_id IS
'The app_user who acted; null for anonymous and system';
COMMENT ON COLUMN eleusis.audit_event.object_type IS 'patient, user, …';
COMMENT ON COLUMN eleusis.audit_event.object_id IS 'The object acted on';
COMMENT ON COLUMN eleusis.audit_event.request_id IS
'The request, as in the log and the X-Request-Id header';
COMMENT ON COLUMN eleusis.audit_event.client_ip IS 'Where it came from';
COMMENT ON COLUMN eleusis.audit_event.detail IS
'Ids, versions, digests and problem slugs; never clinical or identity data';
COMMENT ON COLUMN eleusis.audit_event.patient_id IS
'The one patient it is about; a list names all of its page in detail.patients';
COMMENT ON COLUMN eleusis.audit_event.key_id IS
'The API key that the user''s request was made with; null: a session, or none.
Also in detail.key';

-- Row triggers are cloned to every partition; TRUNCATE has statement
-- triggers only, which the partitions get one by one.
CREATE TRIGGER audit_event_append_only
BEFORE UPDATE OR DELETE ON eleusis.audit_event
FOR EACH ROW EXECUTE FUNCTION eleusis.refuse_change();
CREATE TRIGGER audit_event_no_truncate
BEFORE TRUNCATE ON eleusis.audit_event
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();

CREATE TABLE eleusis.audit_event_default
PARTITION OF eleusis.audit_event DEFAULT;
CREATE TRIGGER audit_event_no_truncate
BEFORE TRUNCATE ON eleusis.audit_event_default
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();
COMMENT ON TABLE eleusis.audit_event_default IS
'Events of months without a partition; they move when it is made';

REVOKE ALL ON eleusis.audit_event, eleusis.audit_event_default FROM PUBLIC;
GRANT SELECT, INSERT ON eleusis.audit_event TO eleusis_server;

-- One month's partition. Rows that waited in the default one move with it,
-- in this transaction: nobody sees them twice or not at all, and their
-- append-only trigger sleeps only while the table is locked for all others.
CREATE FUNCTION eleusis.audit_partition_create(p_month date) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name text := 'audit_event_' || to_char(p_month, 'YYYY_MM');
    v_from uuid := eleusis.uuid_v7_floor(
        p_month::timestamp AT TIME ZONE 'UTC');
    v_to uuid := eleusis.uuid_v7_floor(
        (p_month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
BEGIN
    EXECUTE format(
        'CREATE TABLE eleusis.%I (LIKE eleusis.audit_event'
        ' INCLUDING CONSTRAINTS INCLUDING STORAGE)',
        v_name);
    EXECUTE format('REVOKE ALL ON eleusis.%I FROM PUBLIC', v_name);
    EXECUTE format(
        'CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE'
        ' ON eleusis.%I FOR EACH STATEMENT'
        ' EXECUTE FUNCTION eleusis.refuse_change()', v_name);
    LOCK TABLE eleusis.audit_event_default IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (
        SELECT FROM eleusis.audit_event_default AS d
        WHERE d.id >= v_from AND d.id < v_to
    ) THEN
        ALTER TABLE eleusis.audit_event_default
        DISABLE TRIGGER audit_event_append_only;
        EXECUTE format(
            'WITH moved AS (DELETE FROM eleusis.audit_event_default'
            ' WHERE id >= $1 AND id < $2 RETURNING *)'
            ' INSERT INTO eleusis.%I (id, occurred_at, action, outcome,'
            ' actor_kind, actor_id, object_type, object_id, request_id,'
            ' client_ip, detail, patient_id, key_id)'
            ' SELECT id, occurred_at, action, outcome,'
            ' actor_kind, actor_id, object_type, object_id, request_id,'
            ' client_ip, detail, patient_id, key_id FROM moved', v_name)
        USING v_from, v_to;
        ALTER TABLE eleusis.audit_event_default
        ENABLE TRIGGER audit_event_append_only;
    END IF;
    EXECUTE format(
        'ALTER TABLE eleusis.audit_event ATTACH PARTITION eleusis.%I'
        ' FOR VALUES FROM (%L) TO (%L)', v_name, v_from, v_to);
END;
$$;
COMMENT ON FUNCTION eleusis.audit_partition_create(date) IS
'Makes the partition of the month that begins on this day (UTC)';

CREATE FUNCTION eleusis.audit_partitions_ensure(p_months integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_now date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    v_month date;
    v_made integer := 0;
BEGIN
    -- From the month before: a clock set back at a month's turn finds it.
    FOR i IN -1 .. p_months LOOP
        v_month := (v_now + make_interval(months => i))::date;
        IF to_regclass(
            'eleusis.audit_event_' || to_char(v_month, 'YYYY_MM')) IS NULL
        THEN
            PERFORM eleusis.audit_partition_create(v_month);
            v_made := v_made + 1;
        END IF;
    END LOOP;
    RETURN v_made;
END;
$$;
COMMENT ON FUNCTION eleusis.audit_partitions_ensure(integer) IS
'Makes the missing partitions up to that many months ahead; how many it made.
Run by every eleusisctl migrate; for the owner only';

REVOKE ALL ON FUNCTION eleusis.audit_partition_create(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION eleusis.audit_partitions_ensure(integer) FROM PUBLIC;
