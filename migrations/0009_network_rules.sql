-- Which networks requests are taken from: an ordered list of rules, of which
-- the first that holds an address decides. Workers follow the list by its
-- revision, which every change counts up in its own transaction.

CREATE TABLE eleusis.network_rule_list (
    only_one boolean NOT NULL DEFAULT true,
    revision integer NOT NULL,
    CONSTRAINT network_rule_list_pkey PRIMARY KEY (only_one),
    CONSTRAINT network_rule_list_only_one CHECK (only_one),
    CONSTRAINT network_rule_list_revision_counts CHECK (revision >= 0)
);
INSERT INTO eleusis.network_rule_list (revision) VALUES (0);

COMMENT ON TABLE eleusis.network_rule_list IS
'The list of network rules as a whole: one row';
COMMENT ON COLUMN eleusis.network_rule_list.only_one IS 'There is one row';
COMMENT ON COLUMN eleusis.network_rule_list.revision IS
'Counts the changes; the ETag of the list';

CREATE TABLE eleusis.network_rule (
    id uuid NOT NULL,
    position integer NOT NULL,
    action text NOT NULL,
    network cidr NOT NULL,
    note text,
    expires_at timestamptz,
    revision integer NOT NULL,
    created_revision integer NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    CONSTRAINT network_rule_pkey PRIMARY KEY (id),
    CONSTRAINT network_rule_created_by_fkey
    FOREIGN KEY (created_by) REFERENCES eleusis.app_user (id),
    CONSTRAINT network_rule_id_not_nil
    CHECK (id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT network_rule_position_positive CHECK (position >= 1),
    CONSTRAINT network_rule_action_known CHECK (action IN ('allow', 'deny')),
    CONSTRAINT network_rule_note_form CHECK (length(note) BETWEEN 1 AND 200),
    CONSTRAINT network_rule_revisions_count
    CHECK (created_revision >= 1 AND revision >= created_revision)
);
-- In the order in which they are looked at.
CREATE INDEX network_rule_order_idx
ON eleusis.network_rule (position, id) WHERE removed_at IS NULL;
-- What has changed since.
CREATE INDEX network_rule_revision_idx
ON eleusis.network_rule (revision, id);

-- Audit rows name rules by id for good.
CREATE TRIGGER network_rule_keep
BEFORE DELETE OR TRUNCATE ON eleusis.network_rule
FOR EACH STATEMENT EXECUTE FUNCTION eleusis.refuse_change();

COMMENT ON TABLE eleusis.network_rule IS
'Rules on who may send requests. Removed ones stay, marked';
COMMENT ON COLUMN eleusis.network_rule.id IS 'UUIDv7';
COMMENT ON COLUMN eleusis.network_rule.position IS
'The least comes first; of equals the older one (by id)';
COMMENT ON COLUMN eleusis.network_rule.action IS 'allow or deny';
COMMENT ON COLUMN eleusis.network_rule.network IS 'The addresses it is about';
COMMENT ON COLUMN eleusis.network_rule.note IS 'Why; no personal data';
COMMENT ON COLUMN eleusis.network_rule.expires_at IS
'In force until then; null: for good';
COMMENT ON COLUMN eleusis.network_rule.revision IS
'The revision of the list that its last change made';
COMMENT ON COLUMN eleusis.network_rule.created_revision IS
'The revision that it came with: finds the rules of one request';
COMMENT ON COLUMN eleusis.network_rule.created_by IS 'The user who added it';
COMMENT ON COLUMN eleusis.network_rule.created_at IS 'When';
COMMENT ON COLUMN eleusis.network_rule.updated_at IS 'When it was last changed';
COMMENT ON COLUMN eleusis.network_rule.removed_at IS
'When it was removed from the list';

REVOKE ALL ON eleusis.network_rule_list, eleusis.network_rule FROM PUBLIC;

-- ---- following the list ----------------------------------------------------

CREATE FUNCTION eleusis.network_revision() RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT revision FROM eleusis.network_rule_list
$$;
COMMENT ON FUNCTION eleusis.network_revision() IS
'The revision of the list of network rules';

CREATE FUNCTION eleusis.network_changes(
    p_revision integer, p_id uuid, p_known integer, p_limit integer
)
RETURNS TABLE (
    revision integer,
    id uuid,
    "position" integer,
    allow boolean,
    network text,
    expires_at timestamptz,
    removed boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- A row that changes while its reader turns the pages comes again, later.
    RETURN QUERY
    SELECT r.revision, r.id, r.position, r.action = 'allow', r.network::text,
        r.expires_at, r.removed_at IS NOT NULL
    FROM eleusis.network_rule AS r
    WHERE (r.revision, r.id) > (p_revision, p_id)
        AND (
            r.revision > p_known
            OR r.removed_at IS NULL AND (
                r.expires_at IS NULL
                OR r.expires_at > now() - interval '1 hour'
            )
        )
    ORDER BY r.revision, r.id
    LIMIT least(p_limit, 10000);
END;
$$;
COMMENT ON FUNCTION eleusis.network_changes(integer, uuid, integer, integer) IS
'Rules as their last change left them, in the order of those changes, after
p_revision and p_id; removed and long expired ones only if they changed after
p_known';

-- ---- reading it ------------------------------------------------------------

CREATE FUNCTION eleusis.network_list(
    p_after uuid, p_limit integer, p_expired boolean
)
RETURNS TABLE (
    revision integer,
    id uuid,
    "position" integer,
    allow boolean,
    network text,
    note text,
    expires_at timestamptz,
    created_by uuid,
    created_at timestamptz,
    updated_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT l.revision, r.*
    FROM eleusis.network_rule_list AS l
    LEFT JOIN LATERAL (
        SELECT n.id, n.position, n.action = 'allow', n.network::text, n.note,
            n.expires_at, n.created_by, n.created_at, n.updated_at
        FROM eleusis.network_rule AS n
        WHERE n.removed_at IS NULL
            AND (p_expired OR n.expires_at IS NULL OR n.expires_at > now())
            AND (
                p_after IS NULL
                OR (n.position, n.id) > (
                    SELECT a.position, a.id FROM eleusis.network_rule AS a
                    WHERE a.id = p_after
                )
            )
        ORDER BY n.position, n.id
        LIMIT least(p_limit, 1000)
    ) AS r ON true
    ORDER BY r.position, r.id;
END;
$$;
COMMENT ON FUNCTION eleusis.network_list(uuid, integer, boolean) IS
'Rules in order, after the one of that id, with the list''s revision; one row
with that only when there are none. At most 1000';

CREATE FUNCTION eleusis.network_get(p_id uuid)
RETURNS TABLE (
    revision integer,
    id uuid,
    "position" integer,
    allow boolean,
    network text,
    note text,
    expires_at timestamptz,
    created_by uuid,
    created_at timestamptz,
    updated_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT l.revision, n.id, n.position, n.action = 'allow', n.network::text,
        n.note, n.expires_at, n.created_by, n.created_at, n.updated_at
    FROM eleusis.network_rule AS n
    CROSS JOIN eleusis.network_rule_list AS l
    WHERE n.id = p_id AND n.removed_at IS NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.network_get(uuid) IS
'One rule with the list''s revision; no row when it is not in the list';

-- ---- changing it -----------------------------------------------------------

-- Changes are made one after the other: each holds the list's row.
CREATE FUNCTION eleusis.network_revision_next(
    p_actor uuid, p_expected integer
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revision integer;
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_actor AND u.role = 'admin' AND NOT u.disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not change network rules'
            USING ERRCODE = 'EL403';
    END IF;
    UPDATE eleusis.network_rule_list AS l
    SET revision = l.revision + 1
    WHERE l.revision = p_expected
    RETURNING l.revision INTO v_revision;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the list has another revision'
            USING ERRCODE = 'EL412';
    END IF;
    RETURN v_revision;
END;
$$;
COMMENT ON FUNCTION eleusis.network_revision_next(uuid, integer) IS
'The first step of every change; for the functions below only. EL403: the actor
is not an enabled administrator; EL412: the list has another revision';

CREATE FUNCTION eleusis.network_add(
    p_actor uuid,
    p_expected integer,
    p_ids uuid[],
    p_positions integer[],
    p_actions text[],
    p_networks text[],
    p_notes text[],
    p_expires timestamptz[]
)
RETURNS TABLE (revision integer, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revision integer := eleusis.network_revision_next(p_actor, p_expected);
    v_count bigint;
BEGIN
    SELECT count(*) INTO v_count
    FROM eleusis.network_rule AS r
    WHERE r.removed_at IS NULL
        AND (r.expires_at IS NULL OR r.expires_at > now());
    IF v_count + cardinality(p_ids) > 200000 THEN
        RAISE EXCEPTION 'too many network rules' USING ERRCODE = 'EL409';
    END IF;
    INSERT INTO eleusis.network_rule (
        id, position, action, network, note, expires_at, revision,
        created_revision, created_by
    )
    SELECT u.id, u.position, u.action, u.network::cidr, u.note, u.expires_at,
        v_revision, v_revision, p_actor
    FROM unnest(
        p_ids, p_positions, p_actions, p_networks, p_notes, p_expires
    ) AS u (id, position, action, network, note, expires_at);
    RETURN QUERY SELECT v_revision, now();
END;
$$;
COMMENT ON FUNCTION eleusis.network_add(
    uuid, integer, uuid[], integer[], text[], text[], text[], timestamptz[]
) IS
'Adds rules, at most 200,000 in all (EL409); EL403, EL412 as above';

CREATE FUNCTION eleusis.network_change(
    p_actor uuid,
    p_expected integer,
    p_id uuid,
    p_position integer,
    p_note text,
    p_expires timestamptz
)
RETURNS TABLE (revision integer, updated_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revision integer := eleusis.network_revision_next(p_actor, p_expected);
BEGIN
    RETURN QUERY
    UPDATE eleusis.network_rule AS r
    SET position = p_position, note = p_note, expires_at = p_expires,
        revision = v_revision, updated_at = now()
    WHERE r.id = p_id AND r.removed_at IS NULL
    RETURNING r.revision, r.updated_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such rule' USING ERRCODE = 'EL404';
    END IF;
END;
$$;
COMMENT ON FUNCTION eleusis.network_change(
    uuid, integer, uuid, integer, text, timestamptz
) IS
'Moves a rule, and sets its note and expiry. EL404: it is not in the list;
EL403, EL412 as above';

CREATE FUNCTION eleusis.network_remove(
    p_actor uuid, p_expected integer, p_id uuid
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revision integer := eleusis.network_revision_next(p_actor, p_expected);
BEGIN
    UPDATE eleusis.network_rule AS r
    SET removed_at = now(), revision = v_revision, updated_at = now()
    WHERE r.id = p_id AND r.removed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such rule' USING ERRCODE = 'EL404';
    END IF;
    RETURN v_revision;
END;
$$;
COMMENT ON FUNCTION eleusis.network_remove(uuid, integer, uuid) IS
'Takes a rule out of the list. EL404: it is not there; EL403, EL412 as above';

GRANT EXECUTE ON FUNCTION
eleusis.network_revision(),
eleusis.network_changes(integer, uuid, integer, integer),
eleusis.network_list(uuid, integer, boolean),
eleusis.network_get(uuid),
eleusis.network_add(
    uuid, integer, uuid[], integer[], text[], text[], text[], timestamptz[]
),
eleusis.network_change(uuid, integer, uuid, integer, text, timestamptz),
eleusis.network_remove(uuid, integer, uuid)
TO eleusis_server;
