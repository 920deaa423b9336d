import { INTO } from "../columns.ts";
import type { Migration } from "./migration.ts";

/** The columns and rules that a job keeps in every state. */
const JOB = `
    id             bigint      not null primary key,
    created_at     timestamptz not null,
    run_at         timestamptz not null,
    timeout_ms     bigint      check (timeout_ms > 0),
    keep_result_ms bigint      check (keep_result_ms > 0),
    attempt        int         not null check (attempt >= 0),
    max_attempts   int         not null check (max_attempts >= 1),
    crashes        int         not null check (crashes >= 0),
    token          int         not null check (token >= 0),
    priority       smallint    not null,
    has_children   boolean     not null,
    kind           text        not null check (kind <> ''),
    queue          text        not null check (queue <> ''),
    payload        jsonb       not null,
    errors         jsonb       not null check (jsonb_typeof(errors) = 'array'),
    source         text,
    key            text        check (key <> ''),
    backoff        jsonb,
    progress       jsonb`;

/**
 * Storage of the tables that every job passes through.
 *
 * Rows live for milliseconds, so vacuum goes by a count of dead rows and does not rest. It never
 * gives pages back (`vacuum_truncate`): that takes an exclusive lock, and see `grown`.
 */
const HOT = `autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
    vacuum_truncate = off`;

/**
 * Grows an empty table to some 200 pages, which stay.
 *
 * A queue is empty most of the time. Postgres plans a prepared statement for the size that it sees
 * then, reads an empty table from end to end rather than by its index, and keeps that plan while a
 * million jobs arrive. With these pages the index is the cheaper way from the first day.
 */
const grown = (schema: string, table: string, more: { into: string; values: string }): string => `
insert into ${schema}.${table} (${INTO}${more.into})
  select n, now(), now(), null, null, 1, 1, 0, 1, 0, false, 'none', 'none', 'null', '[]',
         repeat('-', 900), null, null, null${more.values}
  from generate_series(1, 1600) n;
delete from ${schema}.${table};
`;

/**
 * The tables: one for each state of a job, the links between jobs, their keys, and the workers. A job
 * is in the state whose table holds its row.
 *
 * `since_crash` has a row for each worker that registered since Postgres last crashed or failed over: that
 * empties an unlogged table. Claims do not wait for the disk, so some may have been undone then.
 */
export const tables: Migration = {
  version: 1,
  name: "tables",
  minVersion: 1,
  sql: ({ schema }) => `
create sequence ${schema}.job_ids as bigint;

create table ${schema}.pending (${JOB}
) with (${HOT});
create index pending_claim on ${schema}.pending (queue, priority, id);
create index pending_crashed on ${schema}.pending (queue, priority, id) where crashes > 0;

create table ${schema}.scheduled (${JOB}
) with (${HOT});
create index scheduled_due on ${schema}.scheduled (queue, run_at);

create table ${schema}.waiting (${JOB},
    after_failure text not null check (after_failure in ('wait', 'run', 'fail')),
    parents_left  int  not null check (parents_left > 0),
    check (attempt = 0 and token = 0)
) with (fillfactor = 70);

create table ${schema}.claimed (${JOB},
    worker_id     bigint      not null,
    claimed_at    timestamptz not null,
    started       boolean     not null,
    call          int         not null default 0,
    cancel_reason text,
    check (attempt >= 1 and token >= 1)
) with (${HOT}, fillfactor = 90);
create index claimed_cancelled on ${schema}.claimed (worker_id) where cancel_reason is not null;
create index claimed_suspect on ${schema}.claimed (worker_id) where crashes > 1;

create table ${schema}.failed (${JOB},
    failed_at timestamptz not null,
    reason    text        not null,
    cancelled boolean     not null default false
);
create index failed_newest on ${schema}.failed (failed_at desc, id desc) include (queue);
create index failed_kind on ${schema}.failed (kind, id) where not cancelled;
create index failed_source on ${schema}.failed (source) where source is not null;

create table ${schema}.completed (${JOB},
    worker_id    bigint      not null,
    worker_label text        not null,
    claimed_at   timestamptz not null,
    completed_at timestamptz not null,
    expires_at   timestamptz not null,
    result       jsonb       not null,
    position     bigint,
    check (attempt >= 1 and token >= 1 and keep_result_ms is not null)
);
create index completed_expires on ${schema}.completed (expires_at) include (queue);
create unique index completed_position on ${schema}.completed (position) where position is not null;
create index completed_unread on ${schema}.completed (completed_at, id) where position is null;

create table ${schema}.dependencies (
    parent_id bigint not null,
    child_id  bigint not null,
    primary key (parent_id, child_id),
    check (parent_id <> child_id)
);
create index dependencies_child on ${schema}.dependencies (child_id);

create table ${schema}.keys (
    key    text   primary key,
    job_id bigint not null
);

create table ${schema}.workers (
    id               bigint      generated always as identity primary key,
    label            text        not null,
    queues           text[]      not null,
    registered_at    timestamptz not null,
    lease_expires_at timestamptz not null,
    calls_from       int         not null default 0
) with (fillfactor = 50);

create unlogged table ${schema}.since_crash (
    worker_id bigint primary key references ${schema}.workers on delete cascade
);

create view ${schema}.jobs as
  select 'waiting' as state, ${INTO},
         null::text as claimed_by, null::timestamptz as claimed_at, null::boolean as started,
         after_failure, null::text as reason, false as cancelled, null::timestamptz as ended_at,
         null::timestamptz as expires_at, null::jsonb as result
    from ${schema}.waiting
  union all
  select 'scheduled', ${INTO}, null, null, null, null, null, false, null, null, null from ${schema}.scheduled
  union all
  select 'pending', ${INTO}, null, null, null, null, null, false, null, null, null from ${schema}.pending
  union all
  select 'claimed', ${INTO},
         (select w.label from ${schema}.workers w where w.id = c.worker_id),
         c.claimed_at, c.started, null, c.cancel_reason, false, null, null, null
    from ${schema}.claimed c
  union all
  select 'failed', ${INTO}, null, null, null, null, reason, cancelled, failed_at, null, null
    from ${schema}.failed
  union all
  select 'completed', ${INTO}, null, null, null, null, null, false, completed_at, expires_at, result
    from ${schema}.completed;
${grown(schema, "pending", { into: "", values: "" })}
${grown(schema, "scheduled", { into: "", values: "" })}
${grown(schema, "claimed", {
  into: ", worker_id, claimed_at, started",
  values: ", 1, now(), true",
})}`,
};
