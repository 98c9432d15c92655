-- 0001: the truth. Every table says what a row is and who writes it.
-- Words of phases, kinds and outcomes are those of schema/states.def (a test compares them).
-- Names and paths are bytes (bytea); path_text() shows them to people.

CREATE TYPE synchronization_kind AS ENUM ('Synchronization', 'SynchronizationPlan', 'LiveSynchronization');
CREATE TYPE job_phase AS ENUM ('Queued', 'Probing', 'Running', 'Closing', 'Held', 'Succeeded',
  'CompletedWithErrors', 'Failed', 'Cancelled', 'Skipped');
CREATE TYPE object_kind AS ENUM ('file', 'directory', 'symlink', 'fifo', 'socket',
  'character_device', 'block_device');
CREATE TYPE item_outcome AS ENUM ('moved', 'attributes', 'changed', 'vanished', 'failed', 'again', 'pending',
  'linked', 'removed', 'unchanged', 'planned', 'kept', 'rotten', 'drifted', 'missing', 'extra');

-- A named place that holds data. Written by the command, its state by planners.
CREATE TABLE asset (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL UNIQUE,
  labels     jsonb NOT NULL DEFAULT '{}',
  spec       jsonb NOT NULL,
  address    text NOT NULL,
  state      text NOT NULL DEFAULT 'Unknown' CHECK (state IN ('Unknown', 'Ready', 'Failed')),
  reason     text,
  message    text,
  since      timestamptz NOT NULL DEFAULT now(), -- of the state
  probed_at  timestamptz,
  probe_next timestamptz NOT NULL DEFAULT now(), -- the planner that finds it due moves it on, and asks
  identity   bytea,
  bytes_free bigint, -- at the last probe
  bytes_total bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- What ended jobs did, added up as each ends: jobs go in time (retention), sums stay. sync is the name of the
-- synchronization, "adhoc" for all that `sync` made together. One row for each phase that jobs ended in.
CREATE TABLE total (
  sync        text NOT NULL,
  phase       job_phase NOT NULL,
  jobs        bigint NOT NULL DEFAULT 0,
  seconds     double precision NOT NULL DEFAULT 0,
  within      bigint[] NOT NULL DEFAULT '{0,0,0,0,0,0,0,0}', -- jobs that took 1, 10 s, 1, 5, 30 min, 1, 6, 24 h at most
  moved       bigint NOT NULL DEFAULT 0, linked     bigint NOT NULL DEFAULT 0,
  attributes  bigint NOT NULL DEFAULT 0, removed    bigint NOT NULL DEFAULT 0,
  changed     bigint NOT NULL DEFAULT 0, vanished   bigint NOT NULL DEFAULT 0,
  failed      bigint NOT NULL DEFAULT 0, mismatched bigint NOT NULL DEFAULT 0,
  bytes_moved bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (sync, phase)
);

-- Source, destination and options. Written by the command.
CREATE TABLE synchronization (
  id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name                 text NOT NULL UNIQUE,
  kind                 synchronization_kind NOT NULL,
  labels               jsonb NOT NULL DEFAULT '{}',
  source               bigint NOT NULL REFERENCES asset,
  destination          bigint NOT NULL REFERENCES asset,
  spec                 jsonb NOT NULL DEFAULT '{}', -- fields of schema/definitions.def, without the assets' names
  suspended            boolean NOT NULL DEFAULT false, -- no job starts; one that runs goes on
  next_number          bigint NOT NULL DEFAULT 1,
  source_identity      bytea,
  destination_identity bytea,  -- of the last job that ended well: until then another one trips the guard
  unsettled_since_ns   bigint, -- as of a shard, left over by a job that ended before it could put again
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now()
);

-- A planner process. It holds the session advisory lock (1398362188, id) while it lives.
CREATE TABLE planner (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name       text NOT NULL,
  host       text NOT NULL,
  pid        integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now()
);

-- A worker that is to take no more work. Written by the command, read by planners with each renewal; `worker` is
-- the id in Redis. Gone with the worker.
CREATE TABLE drain (
  worker       text PRIMARY KEY,
  requested_at timestamptz NOT NULL DEFAULT now()
);

-- One execution. Inserted by the command or a schedule; from then on written by its owner only, under
-- (owner, epoch); cancel_requested is the one column that others set.
CREATE TABLE job (
  id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  uid                 uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  name                text NOT NULL UNIQUE,
  synchronization     bigint NOT NULL REFERENCES synchronization ON DELETE CASCADE,
  number              bigint NOT NULL,
  trigger             text NOT NULL DEFAULT 'manual',
  scheduled_for       timestamptz,
  spec                jsonb NOT NULL DEFAULT '{}',
  source_address      text NOT NULL,
  destination_address text NOT NULL,
  destination_asset   bigint NOT NULL, -- no foreign key: what was done outlives the asset
  phase               job_phase NOT NULL DEFAULT 'Queued',
  reason              text,
  message             text,
  owner               bigint REFERENCES planner,
  epoch               bigint NOT NULL DEFAULT 0, -- raised at each claim, never below the clock in seconds
  lease_until         timestamptz,
  cancel_requested    boolean NOT NULL DEFAULT false,
  opened              boolean NOT NULL DEFAULT false, -- the staging area may exist
  resolved            boolean NOT NULL DEFAULT false, -- scans are done; what the close has to do is decided
  approved            boolean NOT NULL DEFAULT false, -- the removals that the guard held may be done
  destination_changed boolean NOT NULL DEFAULT false, -- it is not the directory of earlier jobs: the guard trips
  superseded_by       text, -- of a Held job: the job that took its place
  not_kept            jsonb NOT NULL DEFAULT '{}', -- {"OwnerNotKept": objects, …}
  totalled            jsonb NOT NULL DEFAULT '{}', -- of its counters, what table total has: a Held job ends twice
  scan_complete       boolean NOT NULL DEFAULT false,
  waiting_for         text,
  created_at          timestamptz NOT NULL DEFAULT now(),
  started_at          timestamptz,
  finished_at         timestamptz,
  last_progress_at    timestamptz,
  -- unchanged may be below zero for a while, when a shard is done again of which a part was split off: the
  -- sum over all shards is exact, and v_jobs shows it never below zero
  scanned bigint NOT NULL DEFAULT 0, unchanged bigint NOT NULL DEFAULT 0, found bigint NOT NULL DEFAULT 0,
  moved bigint NOT NULL DEFAULT 0, linked bigint NOT NULL DEFAULT 0, attributes bigint NOT NULL DEFAULT 0,
  removed bigint NOT NULL DEFAULT 0, extra bigint NOT NULL DEFAULT 0, changed bigint NOT NULL DEFAULT 0,
  vanished bigint NOT NULL DEFAULT 0, failed bigint NOT NULL DEFAULT 0, proven bigint NOT NULL DEFAULT 0,
  mismatched bigint NOT NULL DEFAULT 0, bytes_found bigint NOT NULL DEFAULT 0,
  bytes_moved bigint NOT NULL DEFAULT 0, bytes_proven bigint NOT NULL DEFAULT 0,
  UNIQUE (synchronization, number)
);
-- One synchronization has at most one active job.
CREATE UNIQUE INDEX job_active ON job (synchronization)
  WHERE phase IN ('Queued', 'Probing', 'Running', 'Closing');
CREATE INDEX job_to_claim ON job (created_at) WHERE phase IN ('Queued', 'Probing', 'Running', 'Closing');

-- Who writes where now. place = filesystem id and path within it; the identity is that of the directory there, in
-- which the job may have a staging area. As the job last began; gone when it ends.
CREATE TABLE claim (
  job                  bigint PRIMARY KEY REFERENCES job ON DELETE CASCADE,
  source_place         bytea NOT NULL,
  destination_place    bytea NOT NULL,
  destination_identity bytea NOT NULL
);

-- A subtree of a job less the subtrees split off from it. Gone when the job ends.
--   segments           raised by each commit; makes a commit whose outcome is unknown recognisable
--   unsettled_since_ns destination's clock: objects there that are not older may not be durable;
--                      never NULL while something of the shard may have been published
--   counters           what committed segments of this shard added to the job's counters
CREATE TABLE shard (
  job                bigint NOT NULL REFERENCES job ON DELETE CASCADE,
  number             integer NOT NULL,
  path               bytea NOT NULL,
  done               boolean NOT NULL DEFAULT false,
  segments           integer NOT NULL DEFAULT 0,
  unsettled_since_ns bigint,
  counters           jsonb NOT NULL DEFAULT '{}',
  present            bigint NOT NULL DEFAULT 0,     -- entries at the destination that its scan saw
  source_empty       boolean NOT NULL DEFAULT false, -- of the root shard: the source has no entry at all
  feed               text, -- NULL: a subtree that is scanned; else what of the close its items are (table pending)
  PRIMARY KEY (job, number)
);

-- A thing at an asset that was put and proven: exactly these bytes. key = XXH3-128 of the path. A directory that was
-- made: that it is there, without hash and checksum, and of job 0, as its line in table item counts.
CREATE TABLE object (
  asset     bigint NOT NULL, -- no foreign key: its check would cost as much as the row itself
  key       uuid NOT NULL,
  path      bytea NOT NULL,
  kind      object_kind NOT NULL,
  size      bigint NOT NULL,
  mtime_ns  bigint NOT NULL,
  hash      text NOT NULL,
  checksum  bytea NOT NULL,
  not_kept  integer NOT NULL DEFAULT 0, -- bits of NOT_KEPT_ in shared/base/states.h
  proven_at timestamptz NOT NULL DEFAULT now(),
  job       bigint NOT NULL, -- no foreign key: the row outlives its job
  shard     integer NOT NULL,
  PRIMARY KEY (asset, key)
);

-- What became of an item, where an object row from its job does not say it all: attributes, changed, vanished,
-- failed, linked, removed, kept, planned; of a directory, moved too; of a verification, rotten, drifted, missing,
-- extra, and moved for what was put again (operation repair).
CREATE TABLE item (
  job       bigint NOT NULL REFERENCES job ON DELETE CASCADE,
  key       uuid NOT NULL,
  shard     integer NOT NULL,
  path      bytea NOT NULL,
  kind      object_kind NOT NULL,
  operation text NOT NULL,
  outcome   item_outcome NOT NULL,
  size      bigint NOT NULL DEFAULT 0,
  mtime_ns  bigint NOT NULL DEFAULT 0, -- of what a dry run would put, link or remove
  not_kept  integer NOT NULL DEFAULT 0, -- as in object
  code      text,
  message   text,
  at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job, key)
);

-- A directory whose attributes are to be set in the close. Gone when the job ends, row by row.
--   outcome  moved: made by this job; pending: found with other attributes; NULL: only published into
CREATE TABLE directory (
  job     bigint NOT NULL REFERENCES job ON DELETE CASCADE,
  key     uuid NOT NULL,
  shard   integer NOT NULL,
  path    bytea NOT NULL,
  depth   integer NOT NULL,
  outcome item_outcome,
  PRIMARY KEY (job, key)
);
CREATE INDEX directory_depth ON directory (job, depth DESC);

-- A name that is dealt with in the close. Gone when the job ends, but for a Held one, whose list it is.
--   parent     key of its directory: feeds go through the rows a directory at a time
--   operation  link: a name of an object with several, by (device, inode) of the source; remove: only the
--              destination has it; put: waits until what is in its way is removed; inventory: is there (verify)
--   there_*    what the scan saw at the destination; 0 = no such name. Of a link that is done: as published
--   differs    of a link: not equal to the source; of an inventory: is to be put again
--   over_directory  a directory is in the place of it: it makes way in the step that publishes
--   waits      everything below that directory is to be removed first
--   leader     of a link, decided when the scans are done: key of the name of its object that is put, or confirmed
--              if it does not differ; the others are linked to it
--   outcome    NULL until it is done; of an inventory: what the verification found
CREATE TABLE pending (
  job            bigint NOT NULL REFERENCES job ON DELETE CASCADE,
  key            uuid NOT NULL,
  parent         uuid NOT NULL,
  shard          integer NOT NULL,
  path           bytea NOT NULL,
  depth          integer NOT NULL,
  operation      text NOT NULL,
  kind           object_kind NOT NULL,
  size           bigint NOT NULL,
  mtime_ns       bigint NOT NULL,
  device         bigint NOT NULL,
  inode          bigint NOT NULL,
  there_inode    bigint NOT NULL,
  there_links    integer NOT NULL,
  there_ctime_ns bigint NOT NULL,
  differs        boolean NOT NULL,
  over_directory boolean NOT NULL DEFAULT false,
  waits          boolean NOT NULL DEFAULT false,
  leader         uuid,
  outcome        item_outcome,
  PRIMARY KEY (job, key)
) WITH (fillfactor = 70); -- each row is written twice: in place, as what changes is in no index
CREATE INDEX pending_feed ON pending (job, operation, (-depth), parent, key);

CREATE TABLE event (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at      timestamptz NOT NULL DEFAULT now(),
  job     bigint REFERENCES job ON DELETE CASCADE,
  kind    text NOT NULL,
  message text NOT NULL
);
CREATE INDEX event_job ON event (job, id);
CREATE INDEX event_at ON event (at);

-- Paths for people: UTF-8 where they are, otherwise with \ooo for other bytes.
CREATE FUNCTION path_text(path bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE plain text := encode(path, 'escape');
BEGIN
  IF position('\' IN plain) = 0 THEN RETURN plain; END IF;
  RETURN convert_from(path, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN RETURN plain;
END $$;

CREATE VIEW v_jobs AS
  SELECT j.name, s.name AS synchronization, s.kind, j.trigger, j.phase, j.reason, j.message,
         j.created_at, j.started_at, j.finished_at, j.last_progress_at, j.waiting_for,
         j.finished_at - j.started_at AS duration, p.name AS planner, j.epoch, j.scan_complete,
         j.scanned + greatest(-j.unchanged, 0) AS scanned, greatest(j.unchanged, 0) AS unchanged,
         j.found, j.moved, j.linked, j.attributes, j.removed, j.extra, j.changed, j.vanished, j.failed, j.proven, j.mismatched, j.bytes_found, j.bytes_moved, j.bytes_proven,
         j.source_address, j.destination_address, j.uid, j.id, j.not_kept, j.superseded_by, j.approved
    FROM job j JOIN synchronization s ON s.id = j.synchronization LEFT JOIN planner p ON p.id = j.owner;

CREATE VIEW v_active AS
  SELECT name, phase, planner, started_at, last_progress_at, waiting_for, scanned, found, moved, proven,
         failed, bytes_moved
    FROM v_jobs WHERE phase IN ('Queued', 'Probing', 'Running', 'Closing');

CREATE VIEW v_failures AS
  SELECT j.name AS job, path_text(i.path) AS path, i.kind, i.operation, i.outcome, i.code, i.message, i.at,
         i.path AS path_bytes
    FROM item i JOIN job j ON j.id = i.job
   WHERE i.outcome IN ('failed', 'changed', 'vanished', 'rotten', 'drifted', 'missing');

-- What a job removed, left where it was, or (outcome pending) would remove: the list of a Held job.
CREATE VIEW v_removals AS
  SELECT j.name AS job, path_text(i.path) AS path, i.kind, i.size, i.outcome, i.code, i.message,
         i.path AS path_bytes
    FROM item i JOIN job j ON j.id = i.job WHERE i.operation = 'remove'
  UNION ALL
  SELECT j.name, path_text(p.path), CASE WHEN p.waits THEN 'directory' ELSE p.kind END,
         CASE WHEN p.waits THEN 0 ELSE p.size END, 'pending', NULL, NULL, p.path
    FROM pending p JOIN job j ON j.id = p.job WHERE (p.operation = 'remove' OR p.waits) AND p.outcome IS NULL;

-- The lines of a job's report, one for each path: items, and what was put of which no item says more.
CREATE VIEW v_items AS
  SELECT j.name AS job, path_text(i.path) AS path, i.kind, i.operation, i.outcome, i.size, o.hash,
         encode(o.checksum, 'hex') AS checksum, i.not_kept, i.code, i.message, i.at, i.path AS path_bytes, i.key,
         i.job AS job_id
    FROM item i JOIN job j ON j.id = i.job
    LEFT JOIN object o ON o.asset = j.destination_asset AND o.key = i.key AND o.job = i.job
                      AND i.outcome IN ('moved', 'linked')
  UNION ALL
  SELECT j.name, path_text(o.path), o.kind, 'put', 'moved', o.size, o.hash, encode(o.checksum, 'hex'), o.not_kept,
         NULL, NULL, o.proven_at, o.path, o.key, o.job
    FROM object o JOIN job j ON j.id = o.job AND j.destination_asset = o.asset
   WHERE NOT EXISTS (SELECT FROM item i WHERE i.job = o.job AND i.key = o.key);

-- Everything that is defined, and how it stands. An asset is wholly proven at the end of a job that Succeeded into
-- it with every object compared by checksum or read back: a verify, or the first of all.
CREATE VIEW v_assets AS
  SELECT a.name, a.state, a.reason, a.message, a.since, a.probed_at, a.address, a.bytes_free, a.bytes_total,
         (SELECT array_agg(s.name ORDER BY s.name) FROM synchronization s WHERE a.id IN (s.source, s.destination))
           AS used_by,
         (SELECT max(j.finished_at) FROM job j WHERE j.destination_asset = a.id AND j.phase = 'Succeeded'
             AND j.spec #>> '{run,verify}' = 'true') AS last_proven,
         a.labels, a.created_at, a.updated_at, a.id
    FROM asset a;

-- restorable_to: the destination is the source as it was at this moment or later, but for what a job has brought
-- since: when the last job that brought it up to date began.
CREATE VIEW v_synchronizations AS
  SELECT s.name, s.kind, a.name AS source, b.name AS destination, s.suspended, l.name AS last_job,
         l.phase AS last_phase, l.reason AS last_reason, l.finished_at AS last_finished,
         g.finished_at AS last_success, g.started_at AS restorable_to, s.labels, s.spec, s.created_at, s.updated_at,
         s.id
    FROM synchronization s JOIN asset a ON a.id = s.source JOIN asset b ON b.id = s.destination
    LEFT JOIN LATERAL (SELECT * FROM job j WHERE j.synchronization = s.id ORDER BY j.number DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (SELECT * FROM job j WHERE j.synchronization = s.id AND j.phase = 'Succeeded'
        AND j.spec #>> '{run,dryRun}' IS DISTINCT FROM 'true' AND j.spec #>> '{run,verify}' IS DISTINCT FROM 'true'
        AND NOT j.spec -> 'run' ?| ARRAY['only', 'plan'] IS TRUE
      ORDER BY j.number DESC LIMIT 1) g ON true;

CREATE VIEW v_events AS
  SELECT e.id, e.at, j.name AS job, e.kind, e.message FROM event e LEFT JOIN job j ON j.id = e.job;

CREATE VIEW v_objects AS
  SELECT a.name AS asset, path_text(o.path) AS path, o.kind, o.size, o.hash,
         encode(o.checksum, 'hex') AS checksum, o.proven_at, j.name AS job,
         to_timestamp(o.mtime_ns / 1e9) AS mtime, o.not_kept, o.path AS path_bytes
    FROM object o JOIN asset a ON a.id = o.asset LEFT JOIN job j ON j.id = o.job;

-- Who only looks. The role belongs to the cluster, so another database may have made it; where ours may
-- not make roles (hosted databases) there is none, and the administrator grants what is wanted.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_ro') THEN
    BEGIN
      CREATE ROLE syncline_ro NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
              WHEN insufficient_privilege THEN RETURN;
    END;
  END IF;
  GRANT USAGE ON SCHEMA public TO syncline_ro;
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO syncline_ro;
END $$;
