/**
 * The tables of the ledger, and the triggers that keep the history of every claim in the same
 * transaction that makes or ends it.
 *
 * - `history` has a row when a job was claimed and when that claim ended, with the label of its worker;
 *   and whether it ended because somebody recovered it.
 * - `answers` has what Postgres said to outcomes and progress, as the process that sent them heard it.
 * - `late_beats` has a row for each heartbeat that was refused, and whether it met its own lease, which
 *   had run out, or found none because somebody had removed it.
 * - `stale` has a row for each write that an owner no longer had a right to: a progress value of
 *   another claim than the one that stands, a heartbeat that revived a lease.
 */
export const LEDGER_SQL = `
create schema chaos;
create table chaos.enqueued (job bigint, deed text, at timestamptz);
create table chaos.runs (job bigint, token int, attempt int, worker text, at timestamptz);
create table chaos.told (type text, job bigint, attempt int, worker text, at timestamptz);
create table chaos.answers (what text, job bigint, token int, accepted boolean, worker text, at timestamptz);
create table chaos.claims (worker text, count int, at timestamptz);
create table chaos.faults (what text, worker text, at timestamptz);
create table chaos.effects (job bigint, token int, worker text, at timestamptz default clock_timestamp());
create table chaos.history (seq bigserial, what text, job bigint, token int, attempt int, worker_id bigint,
                            worker text, recovered boolean, at timestamptz default clock_timestamp());
create table chaos.stale (what text, job bigint, token int, at timestamptz default clock_timestamp());

create index on chaos.runs (job);
create index on chaos.told (job);
create index on chaos.answers (job);
create index on chaos.effects (job);
create index on chaos.history (job, seq);

create function chaos.note_claims() returns trigger language plpgsql as $$
begin
  insert into chaos.history (what, job, token, attempt, worker_id, worker)
    select 'claimed', n.id, n.token, n.attempt, n.worker_id, w.label
      from added n left join millrace.workers w on w.id = n.worker_id;
  return null;
end $$;
create trigger note_claims after insert on millrace.claimed referencing new table as added
  for each statement execute function chaos.note_claims();

create function chaos.note_ends() returns trigger language plpgsql as $$
begin
  insert into chaos.history (what, job, token, attempt, worker_id, recovered)
    select 'ended', o.id, o.token, o.attempt, o.worker_id, current_query() like '%.recover_claims(%' from gone o;
  return null;
end $$;
create trigger note_ends after delete on millrace.claimed referencing old table as gone
  for each statement execute function chaos.note_ends();

create function chaos.note_progress() returns trigger language plpgsql as $$
begin
  insert into chaos.stale (what, job, token) values ('progress', new.id, new.token);
  return null;
end $$;
create trigger note_progress after update of progress on millrace.claimed for each row
  when (new.progress is distinct from old.progress and (new.progress ->> 'token')::int <> new.token)
  execute function chaos.note_progress();

-- The moment of a heartbeat is what it writes, less the length of the lease that was entered.
create table chaos.leases (worker_id bigint, length interval);
create function chaos.note_lease() returns trigger language plpgsql as $$
begin
  insert into chaos.leases values (new.id, new.lease_expires_at - new.registered_at);
  return null;
end $$;
create trigger note_lease after insert on millrace.workers for each row execute function chaos.note_lease();

create table chaos.beats (worker_id bigint, at timestamptz default clock_timestamp());
create function chaos.note_heartbeat() returns trigger language plpgsql as $$
begin
  insert into chaos.beats (worker_id) values (new.id);
  if new.lease_expires_at - (select l.length from chaos.leases l where l.worker_id = new.id)
       > old.lease_expires_at + interval '20 ms' then
    insert into chaos.stale (what, job) values ('heartbeat', old.id);
  end if;
  return null;
end $$;
create trigger note_heartbeat after update of lease_expires_at on millrace.workers for each row
  execute function chaos.note_heartbeat();

-- Only heartbeats update on connections of that name, and each must find one row.
create table chaos.late_beats (worker text, met boolean, at timestamptz default clock_timestamp());
create function chaos.note_late_beat() returns trigger language plpgsql as $$
declare
  beating text := substr(current_setting('application_name'), length('millrace lease ') + 1);
begin
  if current_setting('application_name') like 'millrace lease %' and not exists (select from changed) then
    insert into chaos.late_beats (worker, met) values (beating, exists (
      select from millrace.workers w where w.label = beating and w.lease_expires_at <= clock_timestamp()));
  end if;
  return null;
end $$;
create trigger note_late_beat after update on millrace.workers referencing new table as changed
  for each statement execute function chaos.note_late_beat();
`;

/**
 * What the ledger comes to, in one row.
 *
 * A job is lost when it is gone although its work was never done: no effect was committed, or no
 * handler noted that it was done. A run is an extra one when the job had run before.
 *
 * A write was accepted from a stale owner when an effect was committed for a claim after which the job
 * was claimed again, when Postgres took an outcome of a claim that somebody had recovered, or when `stale`
 * has a row. It goes by claims, for attempts do not tell them apart: a job that came back uncharged has the
 * same one again. Of accepted outcomes that count, attempts must grow from claim to claim.
 *
 * Of each job at most one final outcome may be told; every one more is a second outcome.
 *
 * A job is charged wrongly when its next claim is of a later attempt although the one before never began
 * or was given back uncounted, and its worker was not lost; when it is of more than one attempt later; and
 * when it runs as a later one than it was claimed as.
 */
export const AUDIT_SQL = `
with run as (
  select r.*, row_number() over (partition by r.job order by r.at) as nth from chaos.runs r
), step as (
  select h.*, lag(h.what) over w as what_before, lag(h.token) over w as token_before,
         lag(h.worker_id) over w as worker_before
    from chaos.history h window w as (partition by h.job order by h.seq)
), ending as (
  select h.job, h.token, h.worker_id, bool_or(h.recovered) as recovered
    from chaos.history h where h.what = 'ended' group by 1, 2, 3
), claim as (
  select h.job, h.token, h.attempt, h.worker, coalesce(e.recovered, false) as recovered,
         lead(h.attempt) over (partition by h.job order by h.seq) as next_attempt
    from chaos.history h left join ending e on e.job = h.job and e.token = h.token and e.worker_id = h.worker_id
   where h.what = 'claimed'
), accepted as (
  select a.what, c.*, lag(c.attempt) over (partition by c.job, a.what order by c.token) as attempt_before
    from chaos.answers a join claim c on c.job = a.job and c.token = a.token and c.worker = a.worker
   where a.accepted and a.what in ('settle', 'uncounted')
), final as (
  select distinct on (h.job) h.* from chaos.history h
   where not exists (select from millrace.jobs j where j.id = h.job) order by h.job, h.seq desc
)
select (select count(*) from chaos.enqueued)::int as jobs,
       (select count(*) from chaos.enqueued e
         where not exists (select from millrace.jobs j where j.id = e.job)
           and case when e.deed in ('transaction', 'unfenced')
                    then not exists (select from chaos.effects f where f.job = e.job)
                    else not exists (select from chaos.told t where t.job = e.job and t.type = 'done')
               end)::int as lost,
       (select count(*) from millrace.jobs j where j.state <> 'failed')::int as unfinished,
       (select count(*) from millrace.failed)::int as failed,
       (select count(*) from chaos.enqueued e where e.deed = 'transaction'
           and not exists (select from chaos.effects f where f.job = e.job))::int as "withoutEffect",
       (select count(*) from (select from chaos.effects f group by f.job having count(*) > 1) d)::int
         as "doubleEffects",
       (select count(*) from run r where r.nth > 1)::int as "extraRuns",
       (select coalesce(max(r.nth), 0) from run r)::int as "mostRuns",
       (select count(*) from chaos.effects f
         where exists (select from chaos.runs r where r.job = f.job and r.token > f.token))::int
       + (select count(*) from accepted a where a.recovered)::int
       + (select count(*) from chaos.stale)::int as "staleAccepted",
       (select coalesce(sum(d.outcomes - 1), 0) from (
          select count(*) as outcomes from chaos.told t
           where t.type in ('succeeded', 'failed', 'cancelled') group by t.job) d)::int as "secondOutcomes",
       (select count(*) from step s
         where s.what = 'claimed' and (s.what_before = 'claimed' or s.token <= s.token_before)
            or s.what = 'ended' and (s.what_before is distinct from 'claimed' or s.token <> s.token_before
                                     or s.worker_id <> s.worker_before))::int
       + (select count(*) from accepted a where a.what = 'settle' and a.attempt <= a.attempt_before)::int
         as "historyBreaks",
       (select count(*) from claim c
         where c.next_attempt > c.attempt + 1
            or c.next_attempt > c.attempt and not c.recovered
               and (not exists (select from chaos.runs r where r.job = c.job and r.token = c.token)
                    or exists (select from accepted a
                                where a.what = 'uncounted' and a.job = c.job and a.token = c.token))
            or exists (select from chaos.runs r where r.job = c.job and r.token = c.token
                                                  and r.worker = c.worker and r.attempt > c.attempt))::int
         as "wronglyCharged",
       (select count(*) from run r join final f on f.job = r.job
         where f.what = 'ended' and r.at > f.at + interval '20 ms')::int as "startedAfterOutcome",
       (select count(*) from pg_stat_activity a
         where a.datname = current_database() and a.application_name like 'millrace%')::int as "backendsLeft"`;

/**
 * Of each claim the worker must have told one end: success, or `lease-lost` where it was refused; or that its
 * outcome is `unsettled`, where the answer did not come in time, as when its process sleeps again meanwhile.
 * The sum of what is missing or too much.
 */
export const MISTOLD_SQL = `
with ended as (
  select t.job, t.attempt, t.worker, count(*) as n from chaos.told t
   where t.type <> 'done' group by 1, 2, 3
), claim as (
  select h.job, h.attempt, h.worker, count(*) as n from chaos.history h where h.what = 'claimed' group by 1, 2, 3
)
select coalesce(sum(abs(coalesce(e.n, 0) - coalesce(c.n, 0))), 0)::int as "mistoldEnds",
       (select count(*) from chaos.told t where t.type = 'lease-lost')::int as refused
  from claim c full join ended e on e.job = c.job and e.attempt = c.attempt and e.worker = c.worker`;

/**
 * What Postgres refused, by what was refused; of heartbeats those that met their own lease. An outcome that is
 * refused because the handler had completed the job itself is none of that, nor progress that the outcome of
 * the same claim overtook. For each claim that was refused its worker must have told of one `lease-lost`, or
 * that it is `unsettled`; what is missing is untold. A worker that hears of its lost lease in time sends
 * nothing, and tells of `lease-lost` as well.
 */
export const REFUSALS_SQL = `
with refused as (
  select a.what, a.job, a.token, a.worker from chaos.answers a
   where not a.accepted
     and not exists (select from chaos.effects f where f.job = a.job and f.token = a.token and f.worker = a.worker)
     and not exists (select from chaos.answers o where o.job = a.job and o.token = a.token and o.worker = a.worker
                        and o.accepted and o.what in ('settle', 'uncounted'))
), wanted as (
  select h.job, h.attempt, h.worker, count(distinct r.token) as n
    from refused r join chaos.history h
      on h.what = 'claimed' and h.job = r.job and h.token = r.token and h.worker = r.worker
   group by 1, 2, 3
), lost as (
  select t.job, t.attempt, t.worker, count(*) as n from chaos.told t
   where t.type in ('lease-lost', 'unsettled') group by 1, 2, 3
)
select (select count(*) from refused r where r.what = 'settle')::int as "refusedOutcomes",
       (select count(*) from refused r where r.what = 'complete')::int as "refusedCompletes",
       (select count(*) from refused r where r.what = 'progress')::int as "refusedProgress",
       (select count(*) from chaos.late_beats b where b.met)::int as "refusedHeartbeats",
       (select count(*) from chaos.told t where t.type = 'unsettled')::int as unsettled,
       (select coalesce(sum(greatest(0, w.n - coalesce(l.n, 0))), 0)
          from wanted w left join lost l using (job, attempt, worker))::int as "untoldRefusals"`;

/** What was accepted of stale workers besides outcomes; `staleAccepted` counts it, too. */
export const STALE_WRITES_SQL = `
select count(*) filter (where s.what = 'progress')::int as "staleProgress",
       count(*) filter (where s.what = 'heartbeat')::int as "staleHeartbeats" from chaos.stale s`;
