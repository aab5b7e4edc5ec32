-- The same password under other parameters of Argon2id. Nothing else changes
-- with it: no session ends, and nobody is told.

CREATE FUNCTION eleusis.user_rehash(p_user uuid, p_old text, p_hash text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.app_user AS u
    SET password_hash = p_hash
    WHERE u.id = p_user AND u.password_hash = p_old AND NOT u.disabled;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION eleusis.user_rehash(uuid, text, text) IS
'Replaces a hash by one of the same password. False: it is another by now';

GRANT EXECUTE ON FUNCTION eleusis.user_rehash(uuid, text, text)
TO eleusis_server;
