-- Mail on its way. What it says and to whom is sealed by the server, so that
-- neither the database nor a backup tells; the text goes as soon as the mail
-- is sent or given up. A worker that sends leases the row: another one takes
-- it over only when that lease has run out, which means that the first died.

CREATE TABLE eleusis.outbox (
    id uuid NOT NULL,
    kind text NOT NULL,
    sealed bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    lease uuid,
    lease_until timestamptz,
    sent_at timestamptz,
    failed_at timestamptz,
    last_error text,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_kind_form CHECK (kind ~ '^[a-z_]{1,32}$'),
    CONSTRAINT outbox_sealed CHECK (octet_length(sealed) >= 45),
    CONSTRAINT outbox_attempts_counted CHECK (attempts >= 0),
    CONSTRAINT outbox_lease_whole
    CHECK ((lease IS NULL) = (lease_until IS NULL)),
    CONSTRAINT outbox_one_end CHECK (sent_at IS NULL OR failed_at IS NULL),
    CONSTRAINT outbox_text_goes_at_the_end
    CHECK ((sealed IS NULL) = (sent_at IS NOT NULL OR failed_at IS NOT NULL)),
    CONSTRAINT outbox_error_form CHECK (last_error ~ '^[a-z0-9-]{1,32}$')
);
CREATE INDEX outbox_due_idx
ON eleusis.outbox (next_at) WHERE sealed IS NOT NULL;
CREATE INDEX outbox_created_idx ON eleusis.outbox (created_at);

COMMENT ON TABLE eleusis.outbox IS
'Mail to be sent, and for 30 days that it was';
COMMENT ON COLUMN eleusis.outbox.id IS
'UUIDv7; also the mail''s Message-ID, and what its seal is bound to';
COMMENT ON COLUMN eleusis.outbox.kind IS 'Which of the templates';
COMMENT ON COLUMN eleusis.outbox.sealed IS
'Recipient, subject and text, sealed; null once sent or given up';
COMMENT ON COLUMN eleusis.outbox.created_at IS 'When it was queued';
COMMENT ON COLUMN eleusis.outbox.attempts IS 'How often it was leased';
COMMENT ON COLUMN eleusis.outbox.next_at IS 'Not to be tried before';
COMMENT ON COLUMN eleusis.outbox.lease IS
'Who is sending it: made anew for each attempt; null: nobody';
COMMENT ON COLUMN eleusis.outbox.lease_until IS
'From then on another worker may take it';
COMMENT ON COLUMN eleusis.outbox.sent_at IS
'When the mail server, or the file, had it';
COMMENT ON COLUMN eleusis.outbox.failed_at IS 'When it was given up';
COMMENT ON COLUMN eleusis.outbox.last_error IS
'Why the last attempt failed, as a word; never what the mail server said';

REVOKE ALL ON eleusis.outbox FROM PUBLIC;

CREATE FUNCTION eleusis.mail_queue(p_id uuid, p_kind text, p_sealed bytea)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO eleusis.outbox (id, kind, sealed)
    VALUES (p_id, p_kind, p_sealed);
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_queue(uuid, text, bytea) IS
'Queues a mail; it is sent once the transaction is committed';

CREATE FUNCTION eleusis.mail_lease(
    p_lease uuid, p_limit integer, p_seconds integer
)
RETURNS TABLE (
    id uuid,
    kind text,
    sealed bytea,
    attempts integer,
    age_seconds double precision
)
LANGUAGE plpgsql SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    UPDATE eleusis.outbox AS o
    SET lease = p_lease,
        lease_until = now() + make_interval(secs => p_seconds),
        attempts = o.attempts + 1
    WHERE o.id IN (
        SELECT d.id
        FROM eleusis.outbox AS d
        WHERE d.sealed IS NOT NULL AND d.next_at <= now()
            AND (d.lease_until IS NULL OR d.lease_until <= now())
        ORDER BY d.next_at
        LIMIT least(p_limit, 100)
        FOR UPDATE SKIP LOCKED
    )
    RETURNING o.id, o.kind, o.sealed, o.attempts,
        extract(epoch FROM now() - o.created_at)::double precision;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_lease(uuid, integer, integer) IS
'Leases up to so many mails that are due, for so many seconds';

-- What a lease that ran out says no longer counts: somebody else has the mail.
CREATE FUNCTION eleusis.mail_sent(p_id uuid, p_lease uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.outbox AS o
    SET sealed = NULL, sent_at = now(), lease = NULL, lease_until = NULL,
        last_error = NULL
    WHERE o.id = p_id AND o.lease = p_lease;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_sent(uuid, uuid) IS
'The mail is delivered: its text goes. False: the lease was lost';

CREATE FUNCTION eleusis.mail_retry(
    p_id uuid, p_lease uuid, p_error text, p_seconds double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE eleusis.outbox AS o
    SET lease = NULL, lease_until = NULL, last_error = p_error,
        next_at = now() + make_interval(secs => p_seconds)
    WHERE o.id = p_id AND o.lease = p_lease;
    RETURN FOUND;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_retry(uuid, uuid, text, double precision) IS
'The mail could not be delivered now, and is due again in so many seconds';

CREATE FUNCTION eleusis.mail_give_up(
    p_id uuid, p_lease uuid, p_error text, p_event uuid
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kind text;
    v_attempts integer;
BEGIN
    UPDATE eleusis.outbox AS o
    SET sealed = NULL, failed_at = now(), lease = NULL, lease_until = NULL,
        last_error = p_error
    WHERE o.id = p_id AND o.lease = p_lease
    RETURNING o.kind, o.attempts INTO v_kind, v_attempts;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO eleusis.audit_event (
        id, occurred_at, action, outcome, actor_kind, object_type, object_id,
        detail
    )
    VALUES (
        p_event, now(), 'mail.failed', 'failed', 'system', 'mail', p_id,
        jsonb_build_object(
            'kind', v_kind, 'reason', p_error, 'attempts', v_attempts
        )
    );
    RETURN true;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_give_up(uuid, uuid, text, uuid) IS
'The mail will not be delivered: its text goes, and the audit log says so';

CREATE FUNCTION eleusis.mail_sweep(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_gone integer;
BEGIN
    DELETE FROM eleusis.outbox AS o
    WHERE o.id IN (
        SELECT d.id
        FROM eleusis.outbox AS d
        WHERE d.created_at < now() - interval '30 days' AND d.sealed IS NULL
        ORDER BY d.created_at
        LIMIT least(p_limit, 1000)
        FOR UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END;
$$;
COMMENT ON FUNCTION eleusis.mail_sweep(integer) IS
'Deletes up to so many mails of more than 30 days ago; how many it deleted';

GRANT EXECUTE ON FUNCTION
eleusis.mail_queue(uuid, text, bytea),
eleusis.mail_lease(uuid, integer, integer),
eleusis.mail_sent(uuid, uuid),
eleusis.mail_retry(uuid, uuid, text, double precision),
eleusis.mail_give_up(uuid, uuid, text, uuid),
eleusis.mail_sweep(integer)
TO eleusis_server;
