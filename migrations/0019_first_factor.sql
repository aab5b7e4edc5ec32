-- With its first second factor an account asks for more than its sessions have
-- shown: those end, but for the one that set the factor up. And whoever sets a
-- factor up does so with a session that is not over at that very moment.

DROP TRIGGER app_user_sessions_end ON eleusis.app_user;
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
        NOT (old.totp OR old.passkeys > 0)
        AND (new.totp OR new.passkeys > 0)
    )
    OR (
        old.password_hash IS DISTINCT FROM new.password_hash
        AND old.updated_at IS DISTINCT FROM new.updated_at
    )
)
EXECUTE FUNCTION eleusis.app_user_sessions_end();

-- The row stays locked: what the transaction does next, no session does that
-- this one has ended.
CREATE FUNCTION eleusis.user_session_holds(
    p_user uuid, p_session uuid, p_from timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM eleusis.app_user AS u
    WHERE u.id = p_user AND NOT u.disabled
        AND u.sessions_from IS NOT DISTINCT FROM p_from
        AND NOT EXISTS (
            SELECT FROM eleusis.session_end AS s
            WHERE s.session_id = p_session
        )
    FOR NO KEY UPDATE OF u;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the session has ended' USING ERRCODE = 'EL401';
    END IF;
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.user_session_holds(uuid, uuid, timestamptz) IS
'Locks the account of a session, which says p_from. EL401: the session has
ended, or the account is disabled';

GRANT EXECUTE ON FUNCTION
eleusis.user_session_holds(uuid, uuid, timestamptz)
TO eleusis_server;
