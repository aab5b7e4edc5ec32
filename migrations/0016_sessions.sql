-- The ends of sessions, which live in Redis and know nothing of what changes
-- here: every worker follows them, and refuses a session whose user's ended
-- since, whatever Redis says. And the places that users have logged in from.

-- ---- all sessions of a user -------------------------------------------------

ALTER TABLE eleusis.app_user ADD COLUMN sessions_xact xid8;
COMMENT ON COLUMN eleusis.app_user.sessions_xact IS
'The transaction that last set sessions_from: finds the changes since';
CREATE INDEX app_user_sessions_idx
ON eleusis.app_user (sessions_xact, id) WHERE sessions_xact IS NOT NULL;

-- A session says which sessions_from its log-in read. So it must grow with
-- every end, whatever the clock does, and no two may be the same.
CREATE FUNCTION eleusis.app_user_sessions_end() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.sessions_from := greatest(
        clock_timestamp(), OLD.sessions_from + interval '1 microsecond');
    NEW.sessions_xact := pg_current_xact_id();
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION eleusis.app_user_sessions_end() IS
'Trigger: the sessions of the user end with this transaction';

-- So that no change forgets it. A hash that is only made anew of the same
-- password leaves updated_at alone, and so the sessions.
CREATE TRIGGER app_user_sessions_end
BEFORE UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (
    old.sessions_from IS DISTINCT FROM new.sessions_from
    OR old.role <> new.role
    OR old.scopes IS DISTINCT FROM new.scopes
    OR (new.disabled AND NOT old.disabled)
    OR (new.onetime AND NOT old.onetime)
    OR old.deleted_at IS DISTINCT FROM new.deleted_at
    OR (
        old.password_hash IS DISTINCT FROM new.password_hash
        AND old.updated_at IS DISTINCT FROM new.updated_at
    )
)
EXECUTE FUNCTION eleusis.app_user_sessions_end();

-- ---- one session --------------------------------------------------------------

CREATE TABLE eleusis.session_end (
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT session_end_pkey PRIMARY KEY (session_id),
    CONSTRAINT session_end_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id)
);
CREATE INDEX session_end_xact_idx ON eleusis.session_end (xact, session_id);
CREATE INDEX session_end_until_idx ON eleusis.session_end (until);

COMMENT ON TABLE eleusis.session_end IS
'Single sessions that were ended before their time, until it has come';
COMMENT ON COLUMN eleusis.session_end.session_id IS 'The session';
COMMENT ON COLUMN eleusis.session_end.user_id IS 'Whose it was';
COMMENT ON COLUMN eleusis.session_end.ended_at IS 'When it was ended';
COMMENT ON COLUMN eleusis.session_end.until IS
'When it would have ended in any case';
COMMENT ON COLUMN eleusis.session_end.xact IS
'The transaction that ended it: finds the changes since';

REVOKE ALL ON eleusis.session_end FROM PUBLIC;

-- ---- ending ---------------------------------------------------------------------

CREATE FUNCTION eleusis.sessions_end(p_ids uuid [], p_user uuid, p_until timestamptz [])
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ended integer;
BEGIN
    -- The table holds a session's life of them: who adds one takes old ones.
    DELETE FROM eleusis.session_end AS s
    WHERE s.session_id IN (
        SELECT o.session_id FROM eleusis.session_end AS o
        WHERE o.until < now() - interval '1 hour'
        ORDER BY o.until LIMIT 100
        FOR UPDATE SKIP LOCKED
    );
    INSERT INTO eleusis.session_end (session_id, user_id, until)
    SELECT e.id, p_user, e.until
    FROM unnest(p_ids, p_until) AS e (id, until)
    ORDER BY e.id
    ON CONFLICT (session_id) DO NOTHING;
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    RETURN v_ended;
END;
$$;
COMMENT ON FUNCTION eleusis.sessions_end(uuid [], uuid, timestamptz []) IS
'Ends single sessions of a user, which would end by themselves then; how many';

CREATE FUNCTION eleusis.user_sessions_end(p_user uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_from timestamptz;
BEGIN
    UPDATE eleusis.app_user AS u SET sessions_from = clock_timestamp()
    WHERE u.id = p_user
    RETURNING u.sessions_from INTO v_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such user' USING ERRCODE = 'EL404';
    END IF;
    RETURN v_from;
END;
$$;
COMMENT ON FUNCTION eleusis.user_sessions_end(uuid) IS
'Ends all sessions of a user; what sessions that go on must say. EL404: there
is no such user';

-- p_from is what the session that goes on has said until now.
CREATE FUNCTION eleusis.other_sessions_end(p_user uuid, p_from timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_from timestamptz;
BEGIN
    UPDATE eleusis.app_user AS u SET sessions_from = clock_timestamp()
    WHERE u.id = p_user AND NOT u.disabled
        AND u.sessions_from IS NOT DISTINCT FROM p_from
    RETURNING u.sessions_from INTO v_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the sessions have ended' USING ERRCODE = 'EL409';
    END IF;
    RETURN v_from;
END;
$$;
COMMENT ON FUNCTION eleusis.other_sessions_end(uuid, timestamptz) IS
'Ends all sessions of a user but the one that says p_from, and then says what
this returns. EL409: that one has ended too';

-- For the session that goes on: of the row that this transaction has locked.
CREATE FUNCTION eleusis.user_sessions_from(p_user uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT u.sessions_from FROM eleusis.app_user AS u WHERE u.id = p_user);
END;
$$;
COMMENT ON FUNCTION eleusis.user_sessions_from(uuid) IS
'What the sessions of a user must say, also in the transaction that changes it';

-- In the order of ids, so that two of them do not wait for each other.
CREATE FUNCTION eleusis.all_sessions_end(p_actor uuid) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ended integer;
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_actor AND u.role = 'admin' AND NOT u.disabled;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the actor may not end all sessions'
            USING ERRCODE = 'EL403';
    END IF;
    PERFORM FROM eleusis.app_user AS u ORDER BY u.id FOR NO KEY UPDATE;
    UPDATE eleusis.app_user AS u SET sessions_from = clock_timestamp();
    GET DIAGNOSTICS v_ended = ROW_COUNT;
    RETURN v_ended;
END;
$$;
COMMENT ON FUNCTION eleusis.all_sessions_end(uuid) IS
'Ends all sessions of all users; of how many. EL403: the actor is no enabled
administrator';

-- ---- following ------------------------------------------------------------------

-- Transactions end in another order than they begin. Whoever reads from the
-- horizon of the last reading (no transaction before it was still open) misses
-- none of them, and sees few twice.
CREATE FUNCTION eleusis.session_ends(
    p_xact bigint, p_id uuid, p_seconds integer, p_limit integer
)
RETURNS TABLE (
    horizon bigint,
    xact bigint,
    id uuid,
    sessions_from timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT h.horizon, e.xact::text::bigint, e.id, e.sessions_from
    FROM (
        SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
    ) AS h
    LEFT JOIN LATERAL (
        (
            SELECT u.sessions_xact AS xact, u.id, u.sessions_from
            FROM eleusis.app_user AS u
            WHERE u.sessions_xact IS NOT NULL
                AND (u.sessions_xact, u.id) > (p_xact::text::xid8, p_id)
                AND u.sessions_from > now() - make_interval(secs => p_seconds)
            ORDER BY u.sessions_xact, u.id
            LIMIT p_limit
        )
        UNION ALL
        (
            SELECT s.xact, s.session_id, NULL
            FROM eleusis.session_end AS s
            WHERE (s.xact, s.session_id) > (p_xact::text::xid8, p_id)
                AND s.until > now() - interval '1 hour'
            ORDER BY s.xact, s.session_id
            LIMIT p_limit
        )
        ORDER BY 1, 2
        LIMIT p_limit
    ) AS e ON true
    ORDER BY 2, 3;
END;
$$;
COMMENT ON FUNCTION eleusis.session_ends(bigint, uuid, integer, integer) IS
'Ends of the last p_seconds, after that transaction and id: of a user''s
sessions, or (sessions_from null) of one session. One row with the horizon only
when there are none';

-- ---- where users have logged in from ----------------------------------------------

CREATE TABLE eleusis.known_place (
    user_id uuid NOT NULL,
    digest bytea NOT NULL,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT known_place_pkey PRIMARY KEY (user_id, digest),
    CONSTRAINT known_place_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES eleusis.app_user (id),
    CONSTRAINT known_place_digest_size CHECK (octet_length(digest) = 32)
);

COMMENT ON TABLE eleusis.known_place IS
'Where users have logged in from: the latest 50 of each';
COMMENT ON COLUMN eleusis.known_place.user_id IS 'The user';
COMMENT ON COLUMN eleusis.known_place.digest IS
'Keyed hash of the network and the kind of device';
COMMENT ON COLUMN eleusis.known_place.last_seen_at IS
'When it was last there, to a day';

REVOKE ALL ON eleusis.known_place FROM PUBLIC;

CREATE FUNCTION eleusis.place_known(
    p_user uuid, p_digest bytea, p_days integer
)
RETURNS TABLE (first boolean, known boolean, noted boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_seen timestamptz;
BEGIN
    SELECT k.last_seen_at INTO v_seen FROM eleusis.known_place AS k
    WHERE k.user_id = p_user AND k.digest = p_digest;
    RETURN QUERY SELECT
        NOT EXISTS (
            SELECT FROM eleusis.known_place AS k WHERE k.user_id = p_user
        ),
        coalesce(v_seen > now() - make_interval(days => p_days), false),
        coalesce(v_seen > now() - interval '1 day', false);
END;
$$;
COMMENT ON FUNCTION eleusis.place_known(uuid, bytea, integer) IS
'Is it the first place of the user, has it been seen in the last p_days, and is
that noted for today';

CREATE FUNCTION eleusis.place_note(p_user uuid, p_digest bytea)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO eleusis.known_place AS k (user_id, digest)
    VALUES (p_user, p_digest)
    ON CONFLICT (user_id, digest) DO UPDATE SET last_seen_at = now();
    DELETE FROM eleusis.known_place AS k
    WHERE k.user_id = p_user AND k.digest IN (
        SELECT o.digest FROM eleusis.known_place AS o
        WHERE o.user_id = p_user
        ORDER BY o.last_seen_at DESC, o.digest
        OFFSET 50
        FOR UPDATE SKIP LOCKED
    );
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.place_note(uuid, bytea) IS
'Notes that the user was there just now; forgets all but the latest 50';

-- A deleted account has been nowhere.
CREATE FUNCTION eleusis.user_places_forget() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM eleusis.known_place AS k WHERE k.user_id = NEW.id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION eleusis.user_places_forget() IS
'Trigger: where a deleted user has logged in from is forgotten';

CREATE TRIGGER app_user_places_forget
AFTER UPDATE ON eleusis.app_user
FOR EACH ROW
WHEN (old.deleted_at IS NULL AND new.deleted_at IS NOT NULL)
EXECUTE FUNCTION eleusis.user_places_forget();

GRANT EXECUTE ON FUNCTION
eleusis.sessions_end(uuid [], uuid, timestamptz []),
eleusis.user_sessions_end(uuid),
eleusis.user_sessions_from(uuid),
eleusis.other_sessions_end(uuid, timestamptz),
eleusis.all_sessions_end(uuid),
eleusis.session_ends(bigint, uuid, integer, integer),
eleusis.place_known(uuid, bytea, integer),
eleusis.place_note(uuid, bytea)
TO eleusis_server;
