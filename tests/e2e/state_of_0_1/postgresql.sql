SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.attempts (
    id bigint NOT NULL,
    change_id bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    result text NOT NULL,
    http_status integer,
    detail text
);
CREATE SEQUENCE public.attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.attempts_id_seq OWNED BY public.attempts.id;
CREATE TABLE public.cancellations (
    id bigint NOT NULL,
    token text NOT NULL,
    generation text NOT NULL,
    order_id text,
    imshop_uuid text,
    reason text,
    state text NOT NULL,
    received_at bigint NOT NULL,
    asked integer NOT NULL,
    attempts integer NOT NULL,
    claimed_until bigint NOT NULL,
    decided_at bigint,
    status text,
    message text,
    error text,
    in_doubt boolean NOT NULL,
    order_status text
);
CREATE SEQUENCE public.cancellations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.cancellations_id_seq OWNED BY public.cancellations.id;
CREATE TABLE public.changes (
    id bigint NOT NULL,
    order_id text NOT NULL,
    revision integer NOT NULL,
    status text NOT NULL,
    previous_status text,
    content text NOT NULL,
    message text,
    tracking_url text,
    user_id text,
    imshop_uuid text,
    with_payment boolean NOT NULL,
    source_updated_at bigint,
    detected_at bigint NOT NULL,
    found_by text NOT NULL,
    state text NOT NULL,
    hold text,
    attempts integer DEFAULT 0 NOT NULL,
    refusals integer DEFAULT 0 NOT NULL,
    failing_since bigint,
    in_doubt boolean DEFAULT false NOT NULL,
    claimed_at bigint,
    next_attempt_at bigint,
    ended_at bigint,
    last_error text,
    answered_uuid text,
    imshop_status text,
    CONSTRAINT changes_wait_or_ended CHECK (((state = ANY (ARRAY['pending'::text, 'held'::text])) = (ended_at IS NULL)))
);
CREATE SEQUENCE public.changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.changes_id_seq OWNED BY public.changes.id;
CREATE TABLE public.facts (
    name text NOT NULL,
    value text NOT NULL
);
CREATE TABLE public.seen (
    order_id text NOT NULL,
    content text NOT NULL,
    told text,
    imshop_uuid text,
    revision integer NOT NULL,
    first_seen_at bigint NOT NULL,
    changed_at bigint NOT NULL,
    missing_since bigint,
    segment bigint,
    compared_in integer NOT NULL,
    acknowledged_status text,
    acknowledged_at bigint,
    acknowledged_uuid text
);
CREATE TABLE public.segments (
    segment bigint NOT NULL,
    digest bytea,
    orders integer NOT NULL,
    formed_in integer NOT NULL,
    confirmed_in integer NOT NULL
);
ALTER TABLE ONLY public.attempts ALTER COLUMN id SET DEFAULT nextval('public.attempts_id_seq'::regclass);
ALTER TABLE ONLY public.cancellations ALTER COLUMN id SET DEFAULT nextval('public.cancellations_id_seq'::regclass);
ALTER TABLE ONLY public.changes ALTER COLUMN id SET DEFAULT nextval('public.changes_id_seq'::regclass);
INSERT INTO public.alembic_version VALUES ('cancellations');
INSERT INTO public.attempts VALUES (1, 1, 1714565101488880, 1714565101496503, 'delivered', 200, 'newStatus packed, imshopStatus ready_for_pickup, uuid e6810428-bcba-56c6-bd67-0c06a03c332b, message ');
INSERT INTO public.attempts VALUES (2, 2, 1714565101490049, 1714565101849694, 'delivered', 200, 'newStatus packed, imshopStatus ready_for_pickup, uuid 64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7, message ');
INSERT INTO public.attempts VALUES (3, 3, 1714565401507921, 1714565401526729, 'retry', 503, 'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO public.attempts VALUES (4, 3, 1714654801718536, 1714654801721850, 'dead', 503, 'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO public.attempts VALUES (5, 9, 1714656301572710, 1714656301578871, 'retry', 503, 'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO public.attempts VALUES (6, 10, 1714656602052279, 1714656602054127, 'paused', 401, 'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”');
INSERT INTO public.attempts VALUES (7, 9, 1714656602036842, 1714656602054894, 'paused', 401, 'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”');
INSERT INTO public.cancellations VALUES (1, '4896569a-f17f-4173-b2e8-42776114ec47', 'current', '0003', NULL, 'Передумал', 'accepted', 1714656003202394, 1, 1, 1714656023202398, 1714656003613196, 'cancelled', NULL, NULL, false, 'new');
INSERT INTO public.changes VALUES (1, '0001', 1, 'packed', 'new', '{"paid":null,"payment_id":null,"status":"packed","tracking":"https://tracking.example/1"}', NULL, 'https://tracking.example/1', NULL, NULL, false, 1714564860000000, 1714565100872536, 'cursor', 'delivered', NULL, 1, 0, NULL, false, NULL, 1714565100872536, 1714565101496503, NULL, 'e6810428-bcba-56c6-bd67-0c06a03c332b', 'ready_for_pickup');
INSERT INTO public.changes VALUES (2, '0002', 1, 'packed', 'new', '{"paid":true,"payment_id":"p-2","status":"packed","tracking":null}', NULL, NULL, NULL, 'cfe64e76-dbc4-4f0f-b9d1-000000000002', true, 1714564920000000, 1714565100872536, 'cursor', 'delivered', NULL, 1, 0, NULL, false, NULL, 1714565100872536, 1714565101849694, NULL, '64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7', 'ready_for_pickup');
INSERT INTO public.changes VALUES (3, '0004', 1, 'packed', 'new', '{"paid":null,"payment_id":null,"status":"packed","tracking":null}', NULL, NULL, NULL, NULL, false, 1714565160000000, 1714565401023599, 'cursor', 'dead', NULL, 2, 0, 1714565401526729, true, NULL, 1714565402329144, 1714654801721850, 'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”', NULL, NULL);
INSERT INTO public.changes VALUES (4, '0005', 1, 'odd', 'new', '{"paid":null,"payment_id":null,"status":"odd","tracking":null}', NULL, NULL, NULL, NULL, false, 1714654860000000, 1714655101025230, 'cursor', 'held', 'status', 0, 0, NULL, false, NULL, 1714655101025230, NULL, NULL, NULL, NULL);
INSERT INTO public.changes VALUES (5, '0009', 1, 'sent', 'new', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', NULL, NULL, NULL, NULL, false, 1714655160000000, 1714655400841359, 'cursor', 'held', 'guard', 0, 0, NULL, false, NULL, 1714655400841359, NULL, NULL, NULL, NULL);
INSERT INTO public.changes VALUES (6, '0010', 1, 'sent', 'new', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', NULL, NULL, NULL, NULL, false, 1714655160000000, 1714655400841359, 'cursor', 'held', 'guard', 0, 0, NULL, false, NULL, 1714655400841359, NULL, NULL, NULL, NULL);
INSERT INTO public.changes VALUES (7, '0011', 1, 'sent', 'new', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', NULL, NULL, NULL, NULL, false, 1714655160000000, 1714655400841359, 'cursor', 'held', 'guard', 0, 0, NULL, false, NULL, 1714655400841359, NULL, NULL, NULL, NULL);
INSERT INTO public.changes VALUES (8, '0012', 1, 'sent', 'new', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', NULL, NULL, NULL, NULL, false, 1714655160000000, 1714655400841359, 'cursor', 'held', 'guard', 0, 0, NULL, false, NULL, 1714655400841359, NULL, NULL, NULL, NULL);
INSERT INTO public.changes VALUES (10, '0007', 1, 'sent', 'new', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', NULL, NULL, NULL, 'cfe64e76-dbc4-4f0f-b9d1-000000000007', false, 1714656360000000, 1714656601522816, 'cursor', 'pending', NULL, 0, 0, NULL, false, NULL, 1714656602054127, NULL, 'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”', NULL, NULL);
INSERT INTO public.changes VALUES (9, '0006', 1, 'packed', 'new', '{"paid":null,"payment_id":null,"status":"packed","tracking":null}', NULL, NULL, NULL, NULL, false, 1714656240000000, 1714656300967263, 'cursor', 'pending', NULL, 1, 0, 1714656301578871, true, NULL, 1714656602054894, NULL, 'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”', NULL, NULL);
INSERT INTO public.facts VALUES ('compare', '1');
INSERT INTO public.facts VALUES ('tracked', '12');
INSERT INTO public.facts VALUES ('baseline', '{"taken_at": "2024-05-01T12:00:01.490265+00:00", "newest": "2024-05-01T09:00:00+00:00"}');
INSERT INTO public.facts VALUES ('pause', '{"reason": "unauthorized", "since": "2024-05-02T13:30:02.054127+00:00", "detail": "IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, \u2026__AUTH and \u2026__URL: \u201cthe API key is missing or ***\u201d"}');
INSERT INTO public.facts VALUES ('last_delivered_at', '"2024-05-01T12:05:01.849694+00:00"');
INSERT INTO public.facts VALUES ('cursor', '"[\"str\", \"2024-05-02 13:26:00\"]"');
INSERT INTO public.facts VALUES ('source', '{"last_poll_at": "2024-05-02T13:30:01.522816+00:00", "last_error": null, "last_success_at": "2024-05-02T13:30:01.522816+00:00", "consecutive_failures": 0}');
INSERT INTO public.facts VALUES ('polls', '[{"at": "2024-05-02T13:30:01.522816+00:00", "kind": "incremental", "rows": 3, "changes": 1, "error": null}, {"at": "2024-05-02T13:25:00.967263+00:00", "kind": "incremental", "rows": 7, "changes": 1, "error": null}, {"at": "2024-05-02T13:20:03.226862+00:00", "kind": "incremental", "rows": 6, "changes": 0, "error": null}, {"at": "2024-05-02T13:10:00.841359+00:00", "kind": "incremental", "rows": 5, "changes": 4, "error": null}, {"at": "2024-05-02T13:05:01.025230+00:00", "kind": "incremental", "rows": 4, "changes": 1, "error": null}, {"at": "2024-05-02T13:00:00.959083+00:00", "kind": "incremental", "rows": 3, "changes": 0, "error": null}, {"at": "2024-05-01T12:10:01.023599+00:00", "kind": "incremental", "rows": 3, "changes": 1, "error": null}, {"at": "2024-05-01T12:05:00.872536+00:00", "kind": "incremental", "rows": 12, "changes": 2, "error": null}, {"at": "2024-05-01T12:00:01.490265+00:00", "kind": "full", "rows": 12, "changes": 0, "error": null}]');
INSERT INTO public.seen VALUES ('0008', '{"paid":null,"payment_id":null,"status":"new   ","tracking":null}', NULL, NULL, 0, 1714564801490265, 1714564801490265, NULL, 0, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0001', '{"paid":null,"payment_id":null,"status":"packed","tracking":"https://tracking.example/1"}', NULL, NULL, 1, 1714564801490265, 1714565100872536, NULL, NULL, 1, 'packed', 1714565101496503, 'e6810428-bcba-56c6-bd67-0c06a03c332b');
INSERT INTO public.seen VALUES ('0002', '{"paid":true,"payment_id":"p-2","status":"packed","tracking":null}', NULL, 'cfe64e76-dbc4-4f0f-b9d1-000000000002', 1, 1714564801490265, 1714565100872536, NULL, NULL, 1, 'packed', 1714565101849694, '64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7');
INSERT INTO public.seen VALUES ('0004', '{"paid":null,"payment_id":null,"status":"packed","tracking":null}', 'null', NULL, 1, 1714564801490265, 1714565401023599, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0005', '{"paid":null,"payment_id":null,"status":"odd","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', NULL, 1, 1714564801490265, 1714655101025230, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0009', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', NULL, 1, 1714564801490265, 1714655400841359, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0010', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', NULL, 1, 1714564801490265, 1714655400841359, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0011', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', NULL, 1, 1714564801490265, 1714655400841359, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0012', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', NULL, 1, 1714564801490265, 1714655400841359, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0003', '{"paid":null,"payment_id":null,"status":"cancelled","tracking":null}', NULL, NULL, 1, 1714564801490265, 1714656003613196, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0007', '{"paid":null,"payment_id":null,"status":"sent","tracking":null}', '{"paid":null,"payment_id":null,"status":"new","tracking":null}', 'cfe64e76-dbc4-4f0f-b9d1-000000000007', 1, 1714564801490265, 1714656601522816, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.seen VALUES ('0006', '{"paid":null,"payment_id":null,"status":"packed","tracking":null}', 'null', NULL, 1, 1714564801490265, 1714656300967263, NULL, NULL, 1, NULL, NULL, NULL);
INSERT INTO public.segments VALUES (0, NULL, 12, 1, 1);
SELECT pg_catalog.setval('public.attempts_id_seq', 7, true);
SELECT pg_catalog.setval('public.cancellations_id_seq', 1, true);
SELECT pg_catalog.setval('public.changes_id_seq', 10, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkey PRIMARY KEY (version_num);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.cancellations
    ADD CONSTRAINT cancellations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.facts
    ADD CONSTRAINT facts_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.seen
    ADD CONSTRAINT seen_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY public.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (segment);
CREATE INDEX attempts_by_change ON public.attempts USING btree (change_id, id);
CREATE INDEX cancellations_by_order ON public.cancellations USING btree (order_id, id);
CREATE INDEX cancellations_by_uuid ON public.cancellations USING btree (imshop_uuid, id);
CREATE INDEX changes_by_order ON public.changes USING btree (order_id);
CREATE INDEX changes_due ON public.changes USING btree (next_attempt_at, id) WHERE ((state = 'pending'::text) AND (claimed_at IS NULL));
CREATE INDEX changes_ended ON public.changes USING btree (state, ended_at) WHERE (ended_at IS NOT NULL);
CREATE INDEX changes_held ON public.changes USING btree (hold, status) WHERE (state = 'held'::text);
CREATE INDEX changes_pending ON public.changes USING btree (detected_at) WHERE (state = 'pending'::text);
CREATE INDEX changes_waiting ON public.changes USING btree (order_id) WHERE (ended_at IS NULL);
CREATE INDEX seen_by_answered_uuid ON public.seen USING btree (acknowledged_uuid) WHERE (acknowledged_uuid IS NOT NULL);
CREATE INDEX seen_by_uuid ON public.seen USING btree (imshop_uuid) WHERE (imshop_uuid IS NOT NULL);
CREATE INDEX seen_missing ON public.seen USING btree (missing_since) WHERE (missing_since IS NOT NULL);
