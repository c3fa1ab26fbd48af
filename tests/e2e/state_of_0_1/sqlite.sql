BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('cancellations');
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	change_id BIGINT NOT NULL, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT NOT NULL, 
	result TEXT NOT NULL, 
	http_status INTEGER, 
	detail TEXT, 
	PRIMARY KEY (id)
);
INSERT INTO "attempts" VALUES(1,1,1714565100989483,1714565101107117,'delivered',200,'newStatus packed, imshopStatus ready_for_pickup, uuid e6810428-bcba-56c6-bd67-0c06a03c332b, message ');
INSERT INTO "attempts" VALUES(2,2,1714565100997160,1714565101107660,'delivered',200,'newStatus packed, imshopStatus ready_for_pickup, uuid 64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7, message ');
INSERT INTO "attempts" VALUES(3,3,1714565401486263,1714565401537346,'retry',503,'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO "attempts" VALUES(4,3,1714654800993432,1714654801021984,'dead',503,'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO "attempts" VALUES(5,9,1714656301870544,1714656301874060,'retry',503,'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”');
INSERT INTO "attempts" VALUES(6,10,1714656601440491,1714656602339260,'paused',401,'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”');
INSERT INTO "attempts" VALUES(7,9,1714656601412492,1714656602345253,'paused',401,'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”');
CREATE TABLE cancellations (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	token TEXT NOT NULL, 
	generation TEXT NOT NULL, 
	order_id TEXT, 
	imshop_uuid TEXT, 
	reason TEXT, 
	state TEXT NOT NULL, 
	received_at BIGINT NOT NULL, 
	asked INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	claimed_until BIGINT NOT NULL, 
	decided_at BIGINT, 
	status TEXT, 
	message TEXT, 
	error TEXT, 
	in_doubt BOOLEAN NOT NULL, 
	order_status TEXT
);
INSERT INTO "cancellations" VALUES(1,'eba14329-e6e9-433d-a554-ee27113c41ec','current','0003',NULL,'Передумал','accepted',1714656002311082,1,1,1714656022311089,1714656004752904,'cancelled',NULL,NULL,0,'new');
CREATE TABLE changes (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	order_id TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	previous_status TEXT, 
	content TEXT NOT NULL, 
	message TEXT, 
	tracking_url TEXT, 
	user_id TEXT, 
	imshop_uuid TEXT, 
	with_payment BOOLEAN NOT NULL, 
	source_updated_at BIGINT, 
	detected_at BIGINT NOT NULL, 
	found_by TEXT NOT NULL, 
	state TEXT NOT NULL, 
	hold TEXT, 
	attempts INTEGER DEFAULT '0' NOT NULL, 
	refusals INTEGER DEFAULT '0' NOT NULL, 
	failing_since BIGINT, 
	in_doubt BOOLEAN DEFAULT false NOT NULL, 
	claimed_at BIGINT, 
	next_attempt_at BIGINT, 
	ended_at BIGINT, 
	last_error TEXT, 
	answered_uuid TEXT, 
	imshop_status TEXT, 
	CONSTRAINT changes_wait_or_ended CHECK ((state IN ('pending', 'held')) = (ended_at IS NULL))
);
INSERT INTO "changes" VALUES(1,'0001',1,'packed','new','{"paid":null,"payment_id":null,"status":"packed","tracking":"https://tracking.example/1"}',NULL,'https://tracking.example/1',NULL,NULL,0,1714564860000000,1714565100816127,'cursor','delivered',NULL,1,0,NULL,0,NULL,1714565100816127,1714565101107117,NULL,'e6810428-bcba-56c6-bd67-0c06a03c332b','ready_for_pickup');
INSERT INTO "changes" VALUES(2,'0002',1,'packed','new','{"paid":true,"payment_id":"p-2","status":"packed","tracking":null}',NULL,NULL,NULL,'cfe64e76-dbc4-4f0f-b9d1-000000000002',1,1714564920000000,1714565100816127,'cursor','delivered',NULL,1,0,NULL,0,NULL,1714565100816127,1714565101107660,NULL,'64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7','ready_for_pickup');
INSERT INTO "changes" VALUES(3,'0004',1,'packed','new','{"paid":null,"payment_id":null,"status":"packed","tracking":null}',NULL,NULL,NULL,NULL,0,1714565160000000,1714565401144188,'cursor','dead',NULL,2,0,1714565401537346,1,NULL,1714565402631015,1714654801021984,'IMSHOP failed (HTTP 503), so the change may have been applied: “the sandbox was told to answer 503”',NULL,NULL);
INSERT INTO "changes" VALUES(4,'0005',1,'odd','new','{"paid":null,"payment_id":null,"status":"odd","tracking":null}',NULL,NULL,NULL,NULL,0,1714654860000000,1714655101084185,'cursor','held','status',0,0,NULL,0,NULL,1714655101084185,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(5,'0009',1,'sent','new','{"paid":null,"payment_id":null,"status":"sent","tracking":null}',NULL,NULL,NULL,NULL,0,1714655160000000,1714655401561278,'cursor','held','guard',0,0,NULL,0,NULL,1714655401561278,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(6,'0010',1,'sent','new','{"paid":null,"payment_id":null,"status":"sent","tracking":null}',NULL,NULL,NULL,NULL,0,1714655160000000,1714655401561278,'cursor','held','guard',0,0,NULL,0,NULL,1714655401561278,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(7,'0011',1,'sent','new','{"paid":null,"payment_id":null,"status":"sent","tracking":null}',NULL,NULL,NULL,NULL,0,1714655160000000,1714655401561278,'cursor','held','guard',0,0,NULL,0,NULL,1714655401561278,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(8,'0012',1,'sent','new','{"paid":null,"payment_id":null,"status":"sent","tracking":null}',NULL,NULL,NULL,NULL,0,1714655160000000,1714655401561278,'cursor','held','guard',0,0,NULL,0,NULL,1714655401561278,NULL,NULL,NULL,NULL);
INSERT INTO "changes" VALUES(9,'0006',1,'packed','new','{"paid":null,"payment_id":null,"status":"packed","tracking":null}',NULL,NULL,NULL,NULL,0,1714656240000000,1714656301182100,'cursor','pending',NULL,1,0,1714656301874060,1,NULL,1714656602345253,NULL,'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”',NULL,NULL);
INSERT INTO "changes" VALUES(10,'0007',1,'sent','new','{"paid":null,"payment_id":null,"status":"sent","tracking":null}',NULL,NULL,NULL,'cfe64e76-dbc4-4f0f-b9d1-000000000007',0,1714656360000000,1714656601011675,'cursor','pending',NULL,0,0,NULL,0,NULL,1714656602339260,NULL,'IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, …__AUTH and …__URL: “the API key is missing or ***”',NULL,NULL);
CREATE TABLE facts (
	name TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (name)
)
 WITHOUT ROWID

;
INSERT INTO "facts" VALUES('baseline','{"taken_at": "2024-05-01T12:00:00.829215+00:00", "newest": "2024-05-01T09:00:00+00:00"}');
INSERT INTO "facts" VALUES('compare','1');
INSERT INTO "facts" VALUES('cursor','"[\"str\", \"2024-05-02 13:26:00\"]"');
INSERT INTO "facts" VALUES('last_delivered_at','"2024-05-01T12:05:01.107660+00:00"');
INSERT INTO "facts" VALUES('pause','{"reason": "unauthorized", "since": "2024-05-02T13:30:02.339260+00:00", "detail": "IMSHOP does not accept the key (HTTP 401): check SYNCD_IMSHOP__API_KEY, \u2026__AUTH and \u2026__URL: \u201cthe API key is missing or ***\u201d"}');
INSERT INTO "facts" VALUES('polls','[{"at": "2024-05-02T13:30:01.011675+00:00", "kind": "incremental", "rows": 3, "changes": 1, "error": null}, {"at": "2024-05-02T13:25:01.182100+00:00", "kind": "incremental", "rows": 7, "changes": 1, "error": null}, {"at": "2024-05-02T13:20:03.446949+00:00", "kind": "incremental", "rows": 6, "changes": 0, "error": null}, {"at": "2024-05-02T13:10:01.561278+00:00", "kind": "incremental", "rows": 5, "changes": 4, "error": null}, {"at": "2024-05-02T13:05:01.084185+00:00", "kind": "incremental", "rows": 4, "changes": 1, "error": null}, {"at": "2024-05-02T13:00:00.823108+00:00", "kind": "incremental", "rows": 3, "changes": 0, "error": null}, {"at": "2024-05-01T12:10:01.144188+00:00", "kind": "incremental", "rows": 3, "changes": 1, "error": null}, {"at": "2024-05-01T12:05:00.816127+00:00", "kind": "incremental", "rows": 12, "changes": 2, "error": null}, {"at": "2024-05-01T12:00:00.829215+00:00", "kind": "full", "rows": 12, "changes": 0, "error": null}]');
INSERT INTO "facts" VALUES('source','{"last_poll_at": "2024-05-02T13:30:01.011675+00:00", "last_error": null, "last_success_at": "2024-05-02T13:30:01.011675+00:00", "consecutive_failures": 0}');
INSERT INTO "facts" VALUES('tracked','12');
CREATE TABLE seen (
	order_id TEXT NOT NULL, 
	content TEXT NOT NULL, 
	told TEXT, 
	imshop_uuid TEXT, 
	revision INTEGER NOT NULL, 
	first_seen_at BIGINT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	missing_since BIGINT, 
	segment BIGINT, 
	compared_in INTEGER NOT NULL, 
	acknowledged_status TEXT, 
	acknowledged_at BIGINT, 
	acknowledged_uuid TEXT, 
	PRIMARY KEY (order_id)
)
 WITHOUT ROWID

;
INSERT INTO "seen" VALUES('0001','{"paid":null,"payment_id":null,"status":"packed","tracking":"https://tracking.example/1"}',NULL,NULL,1,1714564800829215,1714565100816127,NULL,NULL,1,'packed',1714565101107117,'e6810428-bcba-56c6-bd67-0c06a03c332b');
INSERT INTO "seen" VALUES('0002','{"paid":true,"payment_id":"p-2","status":"packed","tracking":null}',NULL,'cfe64e76-dbc4-4f0f-b9d1-000000000002',1,1714564800829215,1714565100816127,NULL,NULL,1,'packed',1714565101107660,'64b54b38-74ed-5fc0-a2f8-6aa1cebb02f7');
INSERT INTO "seen" VALUES('0003','{"paid":null,"payment_id":null,"status":"cancelled","tracking":null}',NULL,NULL,1,1714564800829215,1714656004752904,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0004','{"paid":null,"payment_id":null,"status":"packed","tracking":null}','null',NULL,1,1714564800829215,1714565401144188,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0005','{"paid":null,"payment_id":null,"status":"odd","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}',NULL,1,1714564800829215,1714655101084185,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0006','{"paid":null,"payment_id":null,"status":"packed","tracking":null}','null',NULL,1,1714564800829215,1714656301182100,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0007','{"paid":null,"payment_id":null,"status":"sent","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}','cfe64e76-dbc4-4f0f-b9d1-000000000007',1,1714564800829215,1714656601011675,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0008','{"paid":null,"payment_id":null,"status":"new   ","tracking":null}',NULL,NULL,0,1714564800829215,1714564800829215,NULL,0,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0009','{"paid":null,"payment_id":null,"status":"sent","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}',NULL,1,1714564800829215,1714655401561278,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0010','{"paid":null,"payment_id":null,"status":"sent","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}',NULL,1,1714564800829215,1714655401561278,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0011','{"paid":null,"payment_id":null,"status":"sent","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}',NULL,1,1714564800829215,1714655401561278,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "seen" VALUES('0012','{"paid":null,"payment_id":null,"status":"sent","tracking":null}','{"paid":null,"payment_id":null,"status":"new","tracking":null}',NULL,1,1714564800829215,1714655401561278,NULL,NULL,1,NULL,NULL,NULL);
CREATE TABLE segments (
	segment INTEGER NOT NULL, 
	digest BLOB, 
	orders INTEGER NOT NULL, 
	formed_in INTEGER NOT NULL, 
	confirmed_in INTEGER NOT NULL, 
	PRIMARY KEY (segment)
);
INSERT INTO "segments" VALUES(0,NULL,12,1,1);
CREATE INDEX seen_by_uuid ON seen (imshop_uuid) WHERE imshop_uuid IS NOT NULL;
CREATE INDEX seen_missing ON seen (missing_since) WHERE missing_since IS NOT NULL;
CREATE INDEX seen_by_answered_uuid ON seen (acknowledged_uuid) WHERE acknowledged_uuid IS NOT NULL;
CREATE INDEX changes_by_order ON changes (order_id);
CREATE INDEX changes_due ON changes (next_attempt_at, id) WHERE state = 'pending' AND claimed_at IS NULL;
CREATE INDEX changes_held ON changes (hold, status) WHERE state = 'held';
CREATE INDEX changes_ended ON changes (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX changes_pending ON changes (detected_at) WHERE state = 'pending';
CREATE INDEX changes_waiting ON changes (order_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_change ON attempts (change_id, id);
CREATE INDEX cancellations_by_order ON cancellations (order_id, id);
CREATE INDEX cancellations_by_uuid ON cancellations (imshop_uuid, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',10);
INSERT INTO "sqlite_sequence" VALUES('cancellations',1);
COMMIT;
