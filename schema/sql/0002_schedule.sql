-- 0002: plans: when each comes, and what becomes of its times.
-- A time that has come is a row of table job with scheduled_for: started, waiting for its turn, or Skipped with a
-- reason. The constraint makes that once, however many planners look.

ALTER TABLE job
  ADD COLUMN waits    boolean NOT NULL DEFAULT false, -- a time of a plan: Queued, and not active until its turn comes
  ADD COLUMN start_by timestamptz,                    -- its starting deadline; NULL: not of a schedule
  ADD CONSTRAINT job_plan_time UNIQUE (synchronization, scheduled_for),
  ADD CONSTRAINT job_waits_queued CHECK (NOT waits OR phase = 'Queued');

DROP INDEX job_active;
CREATE UNIQUE INDEX job_active ON job (synchronization)
  WHERE phase IN ('Queued', 'Probing', 'Running', 'Closing') AND NOT waits;
CREATE UNIQUE INDEX job_waits ON job (synchronization) WHERE waits;
CREATE INDEX job_start_by ON job (start_by) WHERE phase = 'Queued' AND start_by IS NOT NULL;

-- When a plan comes. A row for each SynchronizationPlan: made and reset by the command, written by planners, who lock
-- it together with the row of its synchronization. Moments are those of the database's clock.
--   looked_until  each of its times (jitter added) up to here is decided; above the clock: the clock went back
--   next_at       the next time, without jitter; NULL = a planner has yet to tell
--   next_due      when a planner looks next: next_at with jitter; -infinity = at once
--   fired_from, fired_until   times between them have been started or skipped when they came: never again
--   resumed_at    times up to here came while the plan was suspended
--   missed        times that passed and did not start, since the plan was made
--   problem       why its times cannot be told, such as a zone that planners do not know
CREATE TABLE schedule (
  synchronization bigint PRIMARY KEY REFERENCES synchronization ON DELETE CASCADE,
  looked_until    timestamptz NOT NULL DEFAULT now(),
  next_at         timestamptz,
  next_due        timestamptz NOT NULL DEFAULT '-infinity',
  fired_from      timestamptz,
  fired_until     timestamptz,
  resumed_at      timestamptz,
  missed          bigint NOT NULL DEFAULT 0,
  problem         text
);
CREATE INDEX schedule_due ON schedule (next_due);
CREATE INDEX schedule_looked ON schedule (looked_until);

-- Plans, and how they stand. next_at: NULL while it is suspended, or if its times cannot be told. last_*: its latest
-- time that came, whatever became of it.
CREATE VIEW v_plans AS
  SELECT v.name, v.spec ->> 'schedule' AS schedule, coalesce(v.spec ->> 'timezone', 'UTC') AS timezone, v.suspended,
         CASE WHEN NOT v.suspended THEN c.next_at END AS next_at,
         CASE WHEN NOT v.suspended AND c.next_at IS NOT NULL THEN c.next_due END AS next_due,
         l.scheduled_for AS last_at, l.name AS last_job, l.phase AS last_phase, l.reason AS last_reason,
         l.message AS last_message, v.last_success, v.restorable_to,
         w.name AS waiting_job, w.waiting_for, c.missed, c.problem,
         v.source, v.destination, coalesce(v.spec ->> 'overlap', 'queue-one') AS overlap,
         coalesce(v.spec ->> 'missed', 'once') AS on_missed,
         coalesce(v.spec ->> 'startingDeadline', '1h') AS starting_deadline,
         coalesce(v.spec ->> 'jitter', '0s') AS jitter, v.labels, v.created_at, v.updated_at, v.id
    FROM v_synchronizations v JOIN schedule c ON c.synchronization = v.id
    LEFT JOIN LATERAL (SELECT * FROM job j WHERE j.synchronization = v.id AND j.scheduled_for IS NOT NULL
        AND NOT j.waits ORDER BY j.scheduled_for DESC LIMIT 1) l ON true
    LEFT JOIN job w ON w.synchronization = v.id AND w.waits;

-- v_jobs with when it was to come, and by when it must have started.
CREATE OR REPLACE VIEW v_jobs AS
  SELECT j.name, s.name AS synchronization, s.kind, j.trigger, j.phase, j.reason, j.message,
         j.created_at, j.started_at, j.finished_at, j.last_progress_at, j.waiting_for,
         j.finished_at - j.started_at AS duration, p.name AS planner, j.epoch, j.scan_complete,
         j.scanned + greatest(-j.unchanged, 0) AS scanned, greatest(j.unchanged, 0) AS unchanged,
         j.found, j.moved, j.linked, j.attributes, j.removed, j.extra, j.changed, j.vanished, j.failed, j.proven, j.mismatched, j.bytes_found, j.bytes_moved, j.bytes_proven,
         j.source_address, j.destination_address, j.uid, j.id, j.not_kept, j.superseded_by, j.approved,
         j.scheduled_for, j.start_by, j.waits
    FROM job j JOIN synchronization s ON s.id = j.synchronization LEFT JOIN planner p ON p.id = j.owner;

DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline_ro') THEN
    GRANT SELECT ON schedule, v_plans TO syncline_ro;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
