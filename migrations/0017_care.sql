-- Who cares for whom, and why it was so: relationships that are granted and
-- ended, the history of all of them, records opened in an emergency ("break
-- glass"), and who looked at a record.
--
-- What is in force is still said by care_in_force alone (0004). History
-- follows care_relationship by a trigger, so that no way of changing it
-- leaves history behind.

-- ---- care -------------------------------------------------------------------

ALTER TABLE eleusis.care_relationship
ADD COLUMN kind text NOT NULL DEFAULT 'assigned',
ADD COLUMN granted_by uuid,
ADD COLUMN grant_id uuid,
ADD COLUMN ended_by uuid;
UPDATE eleusis.care_relationship
SET kind = 'created', granted_by = user_id
WHERE reason = 'created';
ALTER TABLE eleusis.care_relationship
ADD CONSTRAINT care_relationship_kind_known
CHECK (kind IN ('created', 'assigned', 'referred', 'break_glass')),
ADD CONSTRAINT care_relationship_grant_with_break_glass
CHECK (grant_id IS NULL OR kind = 'break_glass');

COMMENT ON COLUMN eleusis.care_relationship.kind IS
'How it came about: created, assigned, referred or break_glass';
COMMENT ON COLUMN eleusis.care_relationship.granted_by IS
'Who brought it about; null: not known';
COMMENT ON COLUMN eleusis.care_relationship.grant_id IS
'The break_glass row it rests on';
COMMENT ON COLUMN eleusis.care_relationship.ended_by IS
'Who ended or replaced the one before';

CREATE TABLE eleusis.care_history (
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    granted_by uuid,
    grant_id uuid,
    since timestamptz NOT NULL,
    until timestamptz,
    ended_at timestamptz,
    ended_by uuid,
    CONSTRAINT care_history_pkey PRIMARY KEY (id),
    CONSTRAINT care_history_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT care_history_kind_known
    CHECK (kind IN ('created', 'assigned', 'referred', 'break_glass')),
    CONSTRAINT care_history_ends_after_start
    CHECK (until > since AND ended_at >= since),
    CONSTRAINT care_history_ended_by_with_end
    CHECK (ended_by IS NULL OR ended_at IS NOT NULL)
);
CREATE INDEX care_history_pair_idx
ON eleusis.care_history (patient_id, user_id, since DESC);
CREATE INDEX care_history_patient_idx
ON eleusis.care_history (patient_id, id DESC);

-- An interval is written once and ended once.
CREATE TRIGGER care_history_keep
BEFORE DELETE OR TRUNCATE ON eleusis.care_history
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();
CREATE TRIGGER care_history_ends_once
BEFORE UPDATE ON eleusis.care_history
FOR EACH ROW
WHEN (
    old.ended_at IS NOT NULL
    OR (
        old.id, old.patient_id, old.user_id, old.kind, old.reason,
        old.granted_by, old.grant_id, old.since, old.until
    ) IS DISTINCT FROM (
        new.id, new.patient_id, new.user_id, new.kind, new.reason,
        new.granted_by, new.grant_id, new.since, new.until
    )
)
EXECUTE FUNCTION eleusis.refuse_change();

COMMENT ON TABLE eleusis.care_history IS
'Every time in which somebody was in a patient''s care team: append-only';
COMMENT ON COLUMN eleusis.care_history.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.care_history.patient_id IS 'The patient';
COMMENT ON COLUMN eleusis.care_history.user_id IS
'Who saw her. No foreign keys to app_user here: each insert would lock that
row, and users are never deleted';
COMMENT ON COLUMN eleusis.care_history.kind IS
'created, assigned (by an administrator), referred (by a clinician in care) or
break_glass';
COMMENT ON COLUMN eleusis.care_history.reason IS
'Why, as a code; no clinical detail';
COMMENT ON COLUMN eleusis.care_history.granted_by IS
'Who brought it about; null: not known';
COMMENT ON COLUMN eleusis.care_history.grant_id IS
'The break_glass row it rests on';
COMMENT ON COLUMN eleusis.care_history.since IS 'From when';
COMMENT ON COLUMN eleusis.care_history.until IS
'Until when it was meant to be; null: no end was set';
COMMENT ON COLUMN eleusis.care_history.ended_at IS
'When it was ended by hand or replaced; null: it was not';
COMMENT ON COLUMN eleusis.care_history.ended_by IS 'By whom';

-- ---- emergencies ------------------------------------------------------------

CREATE TABLE eleusis.break_glass (
    id uuid NOT NULL,
    patient_id uuid NOT NULL,
    user_id uuid NOT NULL,
    reason bytea NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by uuid,
    verdict text,
    note bytea,
    reviewed_at timestamptz,
    reviewed_by uuid,
    CONSTRAINT break_glass_pkey PRIMARY KEY (id),
    CONSTRAINT break_glass_patient_id_fkey
    FOREIGN KEY (patient_id) REFERENCES eleusis.patient (id),
    CONSTRAINT break_glass_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT break_glass_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT break_glass_reason_sealed CHECK (octet_length(reason) >= 45),
    CONSTRAINT break_glass_note_sealed CHECK (octet_length(note) >= 45),
    CONSTRAINT break_glass_ends_after_start
    CHECK (until > opened_at AND ended_at >= opened_at),
    CONSTRAINT break_glass_verdict_known
    CHECK (verdict IN ('justified', 'not_justified')),
    CONSTRAINT break_glass_review_whole
    CHECK (
        (verdict IS NULL) = (reviewed_at IS NULL)
        AND (verdict IS NULL) = (reviewed_by IS NULL)
        AND (note IS NULL OR verdict IS NOT NULL)
    ),
    CONSTRAINT break_glass_not_reviewed_by_oneself
    CHECK (reviewed_by <> user_id)
);
CREATE INDEX break_glass_user_idx
ON eleusis.break_glass (user_id, opened_at DESC);
CREATE INDEX break_glass_unreviewed_idx
ON eleusis.break_glass (id DESC) WHERE verdict IS NULL;
ALTER TABLE eleusis.break_glass ALTER COLUMN reason SET STORAGE EXTERNAL;
ALTER TABLE eleusis.break_glass ALTER COLUMN note SET STORAGE EXTERNAL;

CREATE TRIGGER break_glass_keep
BEFORE DELETE OR TRUNCATE ON eleusis.break_glass
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();
CREATE TRIGGER break_glass_written_once
BEFORE UPDATE ON eleusis.break_glass
FOR EACH ROW
WHEN (
    (old.id, old.patient_id, old.user_id, old.reason, old.opened_at, old.until)
    IS DISTINCT FROM
    (new.id, new.patient_id, new.user_id, new.reason, new.opened_at, new.until)
    OR (
        old.ended_at IS NOT NULL
        AND (old.ended_at, old.ended_by)
        IS DISTINCT FROM (new.ended_at, new.ended_by)
    )
    OR (
        old.verdict IS NOT NULL
        AND (old.verdict, old.note, old.reviewed_at, old.reviewed_by)
        IS DISTINCT FROM
        (new.verdict, new.note, new.reviewed_at, new.reviewed_by)
    )
)
EXECUTE FUNCTION eleusis.refuse_change();

COMMENT ON TABLE eleusis.break_glass IS
'Records opened in an emergency by clinicians who were not in care. Written
once, ended once, reviewed once';
COMMENT ON COLUMN eleusis.break_glass.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.break_glass.patient_id IS 'Whose record';
COMMENT ON COLUMN eleusis.break_glass.user_id IS 'Who opened it';
COMMENT ON COLUMN eleusis.break_glass.reason IS
'Why, sealed under the patient''s data key: it may name clinical facts';
COMMENT ON COLUMN eleusis.break_glass.opened_at IS 'When';
COMMENT ON COLUMN eleusis.break_glass.until IS 'When it closes by itself';
COMMENT ON COLUMN eleusis.break_glass.ended_at IS
'When it was closed before that, or became a care relationship; null: it was
not';
COMMENT ON COLUMN eleusis.break_glass.ended_by IS 'By whom';
COMMENT ON COLUMN eleusis.break_glass.verdict IS
'justified or not_justified; null: not reviewed';
COMMENT ON COLUMN eleusis.break_glass.note IS
'The reviewer''s words, sealed like the reason';
COMMENT ON COLUMN eleusis.break_glass.reviewed_at IS 'When';
COMMENT ON COLUMN eleusis.break_glass.reviewed_by IS 'By whom';

ALTER TABLE eleusis.care_relationship
ADD CONSTRAINT care_relationship_grant_id_fkey
FOREIGN KEY (grant_id) REFERENCES eleusis.break_glass (id);

REVOKE ALL ON eleusis.care_history, eleusis.break_glass FROM PUBLIC;

-- ---- history ----------------------------------------------------------------

CREATE FUNCTION eleusis.uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT encode(
        substr(uuid_send(eleusis.uuid_v7_floor(clock_timestamp())), 1, 6)
        || substr(set_byte(r.b, 6, (get_byte(r.b, 6) & 15) | 112), 7), 'hex'
    )::uuid
    FROM (SELECT uuid_send(gen_random_uuid()) AS b) AS r
$$;
COMMENT ON FUNCTION eleusis.uuid_v7() IS
'A new UUIDv7 of this moment, for rows that the database makes by itself';

INSERT INTO eleusis.care_history (
    id, patient_id, user_id, kind, reason, granted_by, since, until
)
SELECT
    eleusis.uuid_v7(),
    c.patient_id,
    c.user_id,
    c.kind,
    c.reason,
    c.granted_by,
    c.since,
    c.until
FROM eleusis.care_relationship AS c;

-- A change of a relationship ends the interval that was open, and begins
-- another unless it is an end itself.
CREATE FUNCTION eleusis.care_note() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_by uuid := CASE WHEN TG_OP = 'UPDATE' THEN new.ended_by END;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE eleusis.care_history AS h
        SET ended_at = greatest(now(), h.since), ended_by = v_by
        WHERE h.patient_id = old.patient_id AND h.user_id = old.user_id
            AND h.ended_at IS NULL AND (h.until IS NULL OR h.until > now());
        UPDATE eleusis.break_glass AS g
        SET ended_at = now(), ended_by = v_by
        WHERE g.id = old.grant_id AND g.ended_at IS NULL AND g.until > now();
    END IF;
    IF TG_OP = 'INSERT'
        OR (TG_OP = 'UPDATE' AND (new.until IS NULL OR new.until > now()))
    THEN
        INSERT INTO eleusis.care_history (
            id, patient_id, user_id, kind, reason, granted_by, grant_id,
            since, until
        ) VALUES (
            eleusis.uuid_v7(), new.patient_id, new.user_id, new.kind,
            new.reason, new.granted_by, new.grant_id,
            CASE WHEN TG_OP = 'INSERT' THEN new.since
                ELSE greatest(new.since, now()) END,
            new.until
        );
    END IF;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.care_note() IS
'Trigger of care_relationship: keeps care_history, and ends a break_glass row
whose relationship ends before its time';
CREATE TRIGGER care_relationship_noted
AFTER INSERT OR UPDATE OR DELETE ON eleusis.care_relationship
FOR EACH ROW EXECUTE FUNCTION eleusis.care_note();

-- As in 0004, with the kind and the one who brought it about.
CREATE OR REPLACE FUNCTION eleusis.patient_create(
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
    INSERT INTO eleusis.care_relationship (
        patient_id, user_id, reason, kind, granted_by
    ) VALUES (p_id, p_actor, 'created', 'created', p_actor);
    RETURN v_created;
END;
$$;

-- ---- who may do what --------------------------------------------------------

-- Administrators arrange care and never see a record; auditors see who looked
-- at one, and never the record.
CREATE FUNCTION eleusis.is_role(
    p_actor uuid, p_role text, p_roles text []
) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM eleusis.app_user AS u
        WHERE u.id = p_actor AND u.role = p_role AND NOT u.disabled
            AND u.role = ANY (p_roles)
    )
$$;
COMMENT ON FUNCTION eleusis.is_role(uuid, text, text []) IS
'Is the actor enabled, of the acting role, and is that one of these';

CREATE FUNCTION eleusis.care_shown(
    p_actor uuid, p_role text, p_patient uuid, p_roles text []
) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM eleusis.patient AS p
        WHERE p.id = p_patient
            AND (
                eleusis.is_role(p_actor, p_role, p_roles)
                OR (
                    p.erased_at IS NULL
                    AND EXISTS (
                        SELECT FROM eleusis.care_in_force AS c
                        WHERE c.patient_id = p_patient
                            AND c.user_id = p_actor AND c.role = p_role
                    )
                )
            )
    )
$$;
COMMENT ON FUNCTION eleusis.care_shown(uuid, text, uuid, text []) IS
'May the actor know that there is this patient, by care or by one of the roles';

-- ---- granting and ending care -----------------------------------------------

CREATE VIEW eleusis.care_listed AS
SELECT
    h.id,
    h.patient_id,
    h.user_id,
    u.name,
    u.role,
    h.kind,
    h.reason,
    h.granted_by,
    h.grant_id,
    h.since,
    h.until,
    h.ended_at,
    h.ended_by,
    (
        h.ended_at IS NULL AND h.since <= now()
        AND (h.until IS NULL OR h.until > now())
        AND NOT u.disabled AND u.role IN ('clinician', 'service')
    ) AS in_force
FROM eleusis.care_history AS h
INNER JOIN eleusis.app_user AS u ON h.user_id = u.id;

COMMENT ON VIEW eleusis.care_listed IS
'Care as the functions below show it';
COMMENT ON COLUMN eleusis.care_listed.id IS 'The interval';
COMMENT ON COLUMN eleusis.care_listed.patient_id IS 'The patient';
COMMENT ON COLUMN eleusis.care_listed.user_id IS 'Who sees her';
COMMENT ON COLUMN eleusis.care_listed.name IS 'Her name';
COMMENT ON COLUMN eleusis.care_listed.role IS 'Her role now';
COMMENT ON COLUMN eleusis.care_listed.kind IS 'How it came about';
COMMENT ON COLUMN eleusis.care_listed.reason IS 'Why';
COMMENT ON COLUMN eleusis.care_listed.granted_by IS 'By whom';
COMMENT ON COLUMN eleusis.care_listed.grant_id IS 'The emergency it rests on';
COMMENT ON COLUMN eleusis.care_listed.since IS 'From when';
COMMENT ON COLUMN eleusis.care_listed.until IS 'Until when it was meant to be';
COMMENT ON COLUMN eleusis.care_listed.ended_at IS 'Its end by hand';
COMMENT ON COLUMN eleusis.care_listed.ended_by IS 'By whom';
COMMENT ON COLUMN eleusis.care_listed.in_force IS 'Is it so now';

REVOKE ALL ON eleusis.care_listed FROM PUBLIC;

-- The first row says whether the rest may be seen: an empty team and a patient
-- who is not to be known are not the same.
CREATE FUNCTION eleusis.care_visible(
    p_actor uuid, p_role text, p_patient uuid
) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN eleusis.care_shown(
        p_actor, p_role, p_patient, ARRAY['admin', 'auditor']
    );
END;
$$;
COMMENT ON FUNCTION eleusis.care_visible(uuid, text, uuid) IS
'May the actor see who cares for the patient: those in care, administrators and
auditors';

CREATE FUNCTION eleusis.care_list(
    p_actor uuid,
    p_role text,
    p_patient uuid,
    p_history boolean,
    p_after uuid,
    p_limit integer
)
RETURNS SETOF eleusis.care_listed
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT l.* FROM eleusis.care_listed AS l
    WHERE l.patient_id = p_patient AND (p_history OR l.in_force)
        AND l.id < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        AND eleusis.care_shown(
            p_actor, p_role, p_patient, ARRAY['admin', 'auditor']
        )
    ORDER BY l.id DESC
    LIMIT least(p_limit, 1000);
END;
$$;
COMMENT ON FUNCTION eleusis.care_list(
    uuid, text, uuid, boolean, uuid, integer
) IS
'Who cares for a patient now, or ever did: newest first, below p_after, at most
1000; none where care_visible is false';

-- Raises unless the actor may bring others into this care, until then.
CREATE FUNCTION eleusis.care_grant_check(
    p_actor uuid, p_role text, p_patient uuid, p_until timestamptz
) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kind text;
    v_until timestamptz;
BEGIN
    IF NOT eleusis.care_shown(p_actor, p_role, p_patient, ARRAY['admin'])
        OR EXISTS (
            SELECT FROM eleusis.patient AS p
            WHERE p.id = p_patient AND p.erased_at IS NOT NULL
        )
    THEN
        RAISE EXCEPTION 'no such patient' USING ERRCODE = 'EL404';
    END IF;
    IF eleusis.is_role(p_actor, p_role, ARRAY['admin']) THEN
        RETURN 'assigned';
    END IF;
    SELECT c.kind, c.until INTO v_kind, v_until
    FROM eleusis.care_relationship AS c
    WHERE c.patient_id = p_patient AND c.user_id = p_actor;
    IF v_kind = 'break_glass' OR p_role <> 'clinician' THEN
        RAISE EXCEPTION 'the actor may not refer' USING ERRCODE = 'EL403';
    END IF;
    IF v_until IS NOT NULL AND (p_until IS NULL OR p_until > v_until) THEN
        RAISE EXCEPTION 'longer than the actor''s own care'
            USING ERRCODE = 'EL423';
    END IF;
    RETURN 'referred';
END;
$$;
COMMENT ON FUNCTION eleusis.care_grant_check(uuid, text, uuid, timestamptz) IS
'The kind of care that the actor may grant, or EL403, EL404, EL423';

CREATE FUNCTION eleusis.care_grant(
    p_actor uuid,
    p_role text,
    p_patient uuid,
    p_user uuid,
    p_reason text,
    p_until timestamptz
)
RETURNS SETOF eleusis.care_listed
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kind text
    := eleusis.care_grant_check(p_actor, p_role, p_patient, p_until);
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND NOT u.disabled
        AND u.role IN ('clinician', 'service');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such clinician or service'
            USING ERRCODE = 'EL422';
    END IF;
    INSERT INTO eleusis.care_relationship AS c (
        patient_id, user_id, reason, until, kind, granted_by
    ) VALUES (p_patient, p_user, p_reason, p_until, v_kind, p_actor)
    ON CONFLICT (patient_id, user_id) DO UPDATE
    SET reason = p_reason, since = now(), until = p_until, kind = v_kind,
        granted_by = p_actor, grant_id = NULL, ended_by = p_actor
    -- Nobody cuts another's care short by granting it anew.
    WHERE c.until <= now() OR c.kind = 'break_glass'
        OR v_kind = 'assigned' OR c.granted_by = p_actor;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'in care already' USING ERRCODE = 'EL409';
    END IF;
    RETURN QUERY
    SELECT l.* FROM eleusis.care_listed AS l
    WHERE l.patient_id = p_patient AND l.user_id = p_user
        AND l.ended_at IS NULL AND l.since = now()
    ORDER BY l.id DESC LIMIT 1;
END;
$$;
COMMENT ON FUNCTION eleusis.care_grant(
    uuid, text, uuid, uuid, text, timestamptz
) IS
'Takes a user into a patient''s care: assigned by an administrator, referred by
a clinician in care. EL403: not under break-glass, nor by a service; EL404: not
visible; EL409: in care by somebody else''s word; EL422: no such clinician or
service; EL423: longer than the actor''s own care';

CREATE FUNCTION eleusis.care_end(
    p_actor uuid, p_role text, p_patient uuid, p_user uuid
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT eleusis.care_shown(p_actor, p_role, p_patient, ARRAY['admin'])
        AND NOT eleusis.is_role(p_actor, p_role, ARRAY['clinician'])
    THEN
        RAISE EXCEPTION 'no such patient' USING ERRCODE = 'EL404';
    END IF;
    UPDATE eleusis.care_relationship AS c
    SET until = now(), ended_by = p_actor
    WHERE c.patient_id = p_patient AND c.user_id = p_user
        AND c.since <= now() AND (c.until IS NULL OR c.until > now())
        AND (
            c.user_id = p_actor OR c.granted_by = p_actor
            OR eleusis.is_role(p_actor, p_role, ARRAY['admin'])
        );
    IF FOUND THEN
        RETURN now();
    END IF;
    -- A colleague's, in the actor's own team: she may know of it.
    PERFORM FROM eleusis.care_in_force AS c
    WHERE c.patient_id = p_patient AND c.user_id = p_user
        AND eleusis.care_shown(p_actor, p_role, p_patient, ARRAY[]::text[]);
    IF FOUND THEN
        RAISE EXCEPTION 'granted by somebody else' USING ERRCODE = 'EL403';
    END IF;
    RAISE EXCEPTION 'no such care' USING ERRCODE = 'EL404';
END;
$$;
COMMENT ON FUNCTION eleusis.care_end(uuid, text, uuid, uuid) IS
'Ends a user''s care; when. Her own, one she granted, or any by an
administrator. EL403: a colleague''s; EL404: there is none to be seen';

-- ---- breaking the glass -----------------------------------------------------

-- What stands in the way, or the patient and her wrapped key, under which the
-- reason is sealed before break_glass_open. The key alone opens nothing: every
-- function that hands out a ciphertext asks for care.
CREATE FUNCTION eleusis.break_glass_target(
    p_actor uuid, p_role text, p_patient uuid, p_mrn_index bytea, p_max integer
)
RETURNS TABLE (
    state text,
    patient_id uuid,
    key_version integer,
    wrapped_key bytea,
    retry_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_nth timestamptz;
BEGIN
    IF NOT eleusis.is_role(p_actor, p_role, ARRAY['clinician']) THEN
        RETURN QUERY SELECT 'forbidden', NULL::uuid, NULL::integer,
            NULL::bytea, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT g.opened_at INTO v_nth
    FROM eleusis.break_glass AS g
    WHERE g.user_id = p_actor AND g.opened_at > now() - interval '1 hour'
    ORDER BY g.opened_at DESC
    OFFSET p_max - 1 LIMIT 1;
    RETURN QUERY
    SELECT
        CASE
            WHEN v_nth IS NOT NULL THEN 'too_many'
            WHEN EXISTS (
                SELECT FROM eleusis.care_in_force AS c
                WHERE c.patient_id = p.id AND c.user_id = p_actor
            ) THEN 'in_care'
            ELSE 'closed'
        END,
        p.id, p.key_version, p.wrapped_key, v_nth + interval '1 hour'
    FROM eleusis.patient AS p
    WHERE p.erased_at IS NULL
        AND (p.id = p_patient OR p.mrn_index = p_mrn_index);
    IF NOT FOUND THEN
        RETURN QUERY SELECT
            CASE WHEN v_nth IS NOT NULL THEN 'too_many' ELSE 'unknown' END,
            NULL::uuid, NULL::integer, NULL::bytea,
            v_nth + interval '1 hour';
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_target(
    uuid, text, uuid, bytea, integer
) IS
'One row: closed (it may be opened), in_care, unknown, too_many (p_max in an
hour, until retry_at) or forbidden';

-- The lock makes two at once count one after the other.
CREATE FUNCTION eleusis.break_glass_open(
    p_actor uuid,
    p_role text,
    p_id uuid,
    p_patient uuid,
    p_reason bytea,
    p_minutes integer,
    p_max integer
)
RETURNS TABLE (opened_at timestamptz, until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz := now() + make_interval(mins => p_minutes);
    v_state text;
BEGIN
    PERFORM FROM eleusis.app_user AS u WHERE u.id = p_actor
    FOR NO KEY UPDATE;
    SELECT t.state INTO v_state
    FROM eleusis.break_glass_target(
        p_actor, p_role, p_patient, NULL, p_max
    ) AS t;
    IF v_state <> 'closed' THEN
        RAISE EXCEPTION 'the glass stays whole: %', v_state
            USING ERRCODE = CASE v_state
                WHEN 'forbidden' THEN 'EL403'
                WHEN 'unknown' THEN 'EL404'
                WHEN 'too_many' THEN 'EL429'
                ELSE 'EL409'
            END;
    END IF;
    INSERT INTO eleusis.break_glass (id, patient_id, user_id, reason, until)
    VALUES (p_id, p_patient, p_actor, p_reason, v_until);
    INSERT INTO eleusis.care_relationship AS c (
        patient_id, user_id, reason, until, kind, granted_by, grant_id
    ) VALUES (
        p_patient, p_actor, 'break_glass', v_until, 'break_glass', p_actor,
        p_id
    )
    ON CONFLICT (patient_id, user_id) DO UPDATE
    SET reason = 'break_glass', since = now(), until = v_until,
        kind = 'break_glass', granted_by = p_actor, grant_id = p_id,
        ended_by = p_actor;
    RETURN QUERY SELECT now(), v_until;
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_open(
    uuid, text, uuid, uuid, bytea, integer, integer
) IS
'Takes a clinician into a patient''s care for so many minutes. EL403, EL404,
EL409 (in care already) and EL429 (p_max in an hour) as of break_glass_target';

CREATE FUNCTION eleusis.break_glass_end(
    p_actor uuid, p_role text, p_id uuid
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_patient uuid;
BEGIN
    SELECT g.patient_id INTO v_patient
    FROM eleusis.break_glass AS g
    WHERE g.id = p_id AND g.user_id = p_actor
        AND eleusis.is_role(p_actor, p_role, ARRAY['clinician']);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such grant' USING ERRCODE = 'EL404';
    END IF;
    UPDATE eleusis.care_relationship AS c
    SET until = now(), ended_by = p_actor
    WHERE c.patient_id = v_patient AND c.user_id = p_actor
        AND c.grant_id = p_id AND c.until > now();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'it is over' USING ERRCODE = 'EL409';
    END IF;
    RETURN v_patient;
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_end(uuid, text, uuid) IS
'Ends the actor''s own emergency access; whose record it was. EL404: not hers;
EL409: over already';

CREATE VIEW eleusis.break_glass_listed AS
SELECT
    g.id,
    g.patient_id,
    g.user_id,
    u.name AS user_name,
    CASE
        WHEN g.verdict IS NOT NULL THEN 'reviewed'
        WHEN g.ended_at IS NULL AND g.until > now() THEN 'open'
        ELSE 'unreviewed'
    END AS state,
    g.opened_at,
    g.until,
    g.ended_at,
    g.ended_by,
    g.verdict,
    g.reviewed_at,
    g.reviewed_by
FROM eleusis.break_glass AS g
INNER JOIN eleusis.app_user AS u ON g.user_id = u.id;

COMMENT ON VIEW eleusis.break_glass_listed IS
'Emergencies as the functions below show them: without what is sealed';
COMMENT ON COLUMN eleusis.break_glass_listed.id IS 'The grant';
COMMENT ON COLUMN eleusis.break_glass_listed.patient_id IS 'Whose record';
COMMENT ON COLUMN eleusis.break_glass_listed.user_id IS 'Who opened it';
COMMENT ON COLUMN eleusis.break_glass_listed.user_name IS 'Her name';
COMMENT ON COLUMN eleusis.break_glass_listed.state IS
'open, unreviewed (over) or reviewed';
COMMENT ON COLUMN eleusis.break_glass_listed.opened_at IS 'When';
COMMENT ON COLUMN eleusis.break_glass_listed.until IS 'Its end by itself';
COMMENT ON COLUMN eleusis.break_glass_listed.ended_at IS 'Its end by hand';
COMMENT ON COLUMN eleusis.break_glass_listed.ended_by IS 'By whom';
COMMENT ON COLUMN eleusis.break_glass_listed.verdict IS 'Was it justified';
COMMENT ON COLUMN eleusis.break_glass_listed.reviewed_at IS 'When';
COMMENT ON COLUMN eleusis.break_glass_listed.reviewed_by IS 'By whom';

REVOKE ALL ON eleusis.break_glass_listed FROM PUBLIC;

CREATE FUNCTION eleusis.break_glass_list(
    p_actor uuid, p_role text, p_state text, p_after uuid, p_limit integer
)
RETURNS SETOF eleusis.break_glass_listed
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT l.* FROM eleusis.break_glass_listed AS l
    WHERE (p_state IS NULL OR l.state = p_state)
        -- The partial index holds what is to be reviewed.
        AND (p_state IS NOT DISTINCT FROM 'reviewed' OR p_state IS NULL
            OR l.verdict IS NULL)
        AND l.id < coalesce(p_after, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        AND eleusis.is_role(p_actor, p_role, ARRAY['admin', 'auditor'])
    ORDER BY l.id DESC
    LIMIT least(p_limit, 1000);
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_list(
    uuid, text, text, uuid, integer
) IS
'Emergencies of a state (null: all), newest first, below p_after, at most 1000;
for administrators and auditors';

-- A reviewer is not in care: of the record she gets the reason and the note of
-- this one grant, with the key that they are sealed under.
CREATE FUNCTION eleusis.break_glass_reason(
    p_actor uuid, p_role text, p_id uuid
)
RETURNS TABLE (
    id uuid,
    patient_id uuid,
    user_id uuid,
    user_name text,
    state text,
    opened_at timestamptz,
    until timestamptz,
    ended_at timestamptz,
    ended_by uuid,
    verdict text,
    reviewed_at timestamptz,
    reviewed_by uuid,
    reason bytea,
    note bytea,
    key_version integer,
    wrapped_key bytea
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT l.*, g.reason, g.note, p.key_version, p.wrapped_key
    FROM eleusis.break_glass_listed AS l
    INNER JOIN eleusis.break_glass AS g ON g.id = l.id
    INNER JOIN eleusis.patient AS p ON p.id = l.patient_id
    WHERE l.id = p_id
        AND eleusis.is_role(p_actor, p_role, ARRAY['admin', 'auditor']);
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_reason(uuid, text, uuid) IS
'One emergency with what is sealed and the patient''s wrapped key (null once
she is erased); for administrators and auditors, else no row';

CREATE FUNCTION eleusis.break_glass_review(
    p_actor uuid, p_role text, p_id uuid, p_verdict text, p_note bytea
) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_user uuid;
    v_state text;
BEGIN
    PERFORM FROM eleusis.break_glass AS g WHERE g.id = p_id
    FOR NO KEY UPDATE;
    SELECT l.user_id, l.state INTO v_user, v_state
    FROM eleusis.break_glass_listed AS l
    WHERE l.id = p_id
        AND eleusis.is_role(p_actor, p_role, ARRAY['admin', 'auditor']);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such grant' USING ERRCODE = 'EL404';
    END IF;
    IF v_user = p_actor THEN
        RAISE EXCEPTION 'one''s own is reviewed by others'
            USING ERRCODE = 'EL403';
    END IF;
    IF v_state <> 'unreviewed' THEN
        RAISE EXCEPTION 'it is %', v_state
            USING ERRCODE = CASE v_state
                WHEN 'open' THEN 'EL425' ELSE 'EL409' END;
    END IF;
    UPDATE eleusis.break_glass AS g
    SET verdict = p_verdict, note = p_note, reviewed_at = now(),
        reviewed_by = p_actor
    WHERE g.id = p_id;
    RETURN now();
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_review(
    uuid, text, uuid, text, bytea
) IS
'Notes what a reviewer thinks of it, once; when. EL403: her own; EL404: none,
or the actor reviews none; EL409: reviewed already; EL425: still open';

CREATE FUNCTION eleusis.break_glass_unreviewed() RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT count(*) FROM eleusis.break_glass AS g WHERE g.verdict IS NULL
    );
END;
$$;
COMMENT ON FUNCTION eleusis.break_glass_unreviewed() IS
'How many emergencies nobody has reviewed: for the metrics';

-- ---- who looked at a record -------------------------------------------------

CREATE FUNCTION eleusis.accesses_visible(
    p_actor uuid, p_role text, p_patient uuid
) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN eleusis.care_shown(p_actor, p_role, p_patient, ARRAY['auditor']);
END;
$$;
COMMENT ON FUNCTION eleusis.accesses_visible(uuid, text, uuid) IS
'May the actor see who looked at the record: those in care, and auditors';

-- A reading writes "allowed" while its SELECT is under way; where that finds
-- nothing to be seen, a second row of the request says so, and counts. An
-- event is noted a little before its statement begins a relationship: ten
-- seconds, the time a request may take, are allowed for.
CREATE FUNCTION eleusis.accesses_list(
    p_actor uuid,
    p_role text,
    p_patient uuid,
    p_after uuid,
    p_limit integer,
    p_since timestamptz,
    p_until timestamptz
)
RETURNS TABLE (
    id uuid,
    occurred_at timestamptz,
    action text,
    outcome text,
    actor_kind text,
    actor_id uuid,
    actor_name text,
    actor_role text,
    basis text,
    basis_since timestamptz,
    basis_reason text,
    grant_id uuid,
    session_id uuid,
    key_id uuid,
    key_prefix text,
    network text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_from uuid := coalesce(
        eleusis.uuid_v7_floor(p_since), '00000000-0000-0000-0000-000000000000'
    );
    v_to uuid := least(
        p_after, eleusis.uuid_v7_floor(p_until),
        'ffffffff-ffff-ffff-ffff-ffffffffffff'
    );
BEGIN
    IF NOT eleusis.care_shown(p_actor, p_role, p_patient, ARRAY['auditor'])
    THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH about AS (
        SELECT e.* FROM eleusis.audit_event AS e
        WHERE e.patient_id = p_patient AND e.id >= v_from AND e.id < v_to
            AND NOT (
                e.outcome = 'allowed'
                AND EXISTS (
                    SELECT FROM eleusis.audit_event AS n
                    WHERE n.patient_id = p_patient
                        AND n.id >= eleusis.uuid_v7_floor(e.occurred_at)
                        AND n.id < eleusis.uuid_v7_floor(
                            e.occurred_at + interval '1 minute')
                        AND n.request_id = e.request_id
                        AND n.action = e.action AND n.outcome <> 'allowed'
                )
            )
        ORDER BY e.id DESC
        LIMIT least(p_limit, 1000)
    ), listed AS (
        -- OFFSET 0 keeps the order and the bounds out of the choice of an
        -- index: by the primary key all of the log would be read for a patient
        -- who is in few lists.
        SELECT e.* FROM eleusis.audit_event AS e
        WHERE e.id IN (
            SELECT l.id
            FROM (
                SELECT n.id FROM eleusis.audit_event AS n
                WHERE n.action = 'patient.list'
                    AND n.detail -> 'patients' ? p_patient::text
                OFFSET 0
            ) AS l
            WHERE l.id >= v_from AND l.id < v_to
            ORDER BY l.id DESC
            LIMIT least(p_limit, 1000)
        )
    ), page AS (
        SELECT * FROM about UNION ALL SELECT * FROM listed
        ORDER BY 1 DESC
        LIMIT least(p_limit, 1000)
    )
    SELECT e.id, e.occurred_at, e.action, e.outcome, e.actor_kind,
        e.actor_id, u.name, u.role,
        CASE
            WHEN e.actor_kind <> 'user' THEN e.actor_kind
            WHEN e.outcome = 'denied' THEN 'denied'
            WHEN h.kind IS NOT NULL THEN h.kind
            WHEN e.outcome = 'failed' THEN 'denied'
            ELSE 'role'
        END,
        CASE WHEN e.outcome <> 'denied' THEN h.since END,
        CASE WHEN e.outcome <> 'denied' THEN h.reason END,
        CASE WHEN e.outcome <> 'denied' THEN h.grant_id END,
        (e.detail ->> 'session')::uuid, e.key_id, k.prefix,
        network(set_masklen(e.client_ip,
            CASE family(e.client_ip) WHEN 4 THEN 24 ELSE 64 END))::text
    FROM page AS e
    LEFT JOIN eleusis.app_user AS u ON u.id = e.actor_id
    LEFT JOIN eleusis.api_key AS k ON k.id = e.key_id
    LEFT JOIN LATERAL (
        SELECT c.kind, c.since, c.reason, c.grant_id
        FROM eleusis.care_history AS c
        WHERE c.patient_id = p_patient AND c.user_id = e.actor_id
            AND c.since <= e.occurred_at + interval '10 seconds'
            AND (c.ended_at IS NULL OR c.ended_at > e.occurred_at)
            AND (c.until IS NULL OR c.until > e.occurred_at)
        ORDER BY (c.since <= e.occurred_at) DESC, c.since DESC
        LIMIT 1
    ) AS h ON true
    ORDER BY e.id DESC;
END;
$$;
COMMENT ON FUNCTION eleusis.accesses_list(
    uuid, text, uuid, uuid, integer, timestamptz, timestamptz
) IS
'Who did what with a record and on what ground, newest first, below p_after, at
most 1000; none where accesses_visible is false. basis: the kind of care at that
time, role (an administrator''s or auditor''s right), denied, anonymous, system';

GRANT EXECUTE ON FUNCTION
eleusis.care_visible(uuid, text, uuid),
eleusis.care_list(uuid, text, uuid, boolean, uuid, integer),
eleusis.care_grant(uuid, text, uuid, uuid, text, timestamptz),
eleusis.care_end(uuid, text, uuid, uuid),
eleusis.break_glass_target(uuid, text, uuid, bytea, integer),
eleusis.break_glass_open(
    uuid, text, uuid, uuid, bytea, integer, integer
),
eleusis.break_glass_end(uuid, text, uuid),
eleusis.break_glass_list(uuid, text, text, uuid, integer),
eleusis.break_glass_reason(uuid, text, uuid),
eleusis.break_glass_review(uuid, text, uuid, text, bytea),
eleusis.break_glass_unreviewed(),
eleusis.accesses_visible(uuid, text, uuid),
eleusis.accesses_list(
    uuid, text, uuid, uuid, integer, timestamptz, timestamptz
)
TO eleusis_server;
