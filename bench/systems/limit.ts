import pg from "pg";
import { millrace } from "./millrace.ts";
import type { Payload, System, Target, Work } from "./system.ts";

/** Jobs that it claims at once, where a scenario does not say. */
const BATCH = 500;

/**
 * The yardstick: two statements by turns on one connection of `pg`, over the tables of millrace, and no
 * library. They are the least that claims and completes with the same guarantees: order, skipped
 * locks, a fencing token, claims that do not wait for the disk and completions that do.
 */
export function limit(target: Target): System {
  return { ...millrace(target), work: (work) => workInLoop(target, work) };
}

async function workInLoop(
  { postgres }: Target,
  { queues, handle, atOnce = BATCH }: Work,
): Promise<() => Promise<unknown>> {
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  const workerId = await register(client, queues);
  const claim = { name: "claim", text: await claimText(client, atOnce), values: [queues[0], workerId] };
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { rows } = await client.query<ClaimedRow>(claim);
      for (const row of rows) await handle(JSON.parse(row.payload) as Payload);
      const values = [workerId, rows.map(({ id }) => id), rows.map(({ token }) => token)];
      if (rows.length > 0) await client.query({ name: "complete", text: COMPLETE, values });
      else await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await client.end();
  };
  const ended = run();
  return () => {
    stop.abort();
    return ended;
  };
}

interface ClaimedRow {
  readonly id: string;
  readonly token: number;
  readonly payload: string;
}

async function register(client: pg.Client, queues: readonly string[]): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `insert into millrace.workers (label, queues, registered_at, lease_expires_at)
     values ('limit', $1, now(), now() + interval '1 hour') returning id::text`,
    [queues],
  );
  return String(rows[0]?.id);
}

/**
 * Moves the next jobs of a queue from `pending` to `claimed`, all columns as they are but the counters, and
 * answers with them in their order: they are deleted in that of their places.
 * The setting is made once, as in the claim of millrace: rows are looked for only where it was.
 */
async function claimText(client: pg.Client, atOnce: number): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select column_name as name from information_schema.columns
      where table_schema = 'millrace' and table_name = 'pending' order by ordinal_position`,
  );
  const columns = rows.map(({ name }) => name);
  const values = columns.map((name) => (name === "attempt" || name === "token" ? `${name} + 1` : name));
  return `
    with setting as materialized (
      select set_config('synchronous_commit', 'off', true)
    ), taken as (
      delete from millrace.pending where ctid = any(array(
        select ctid from millrace.pending where queue = $1 and exists (select from setting)
         order by priority, id limit ${atOnce} for update skip locked))
      returning *
    ), moved as (
      insert into millrace.claimed (${columns.join(", ")}, worker_id, claimed_at, started)
      select ${values.join(", ")}, $2, clock_timestamp(), true from taken
      returning id, priority, token, payload
    )
    select id::text, token, payload::text from moved m order by m.priority, m.id`;
}

/** Each row is looked up by itself: a join would be planned for the rows that Postgres counted last. */
const COMPLETE = `
  delete from millrace.claimed where ctid = any(array(
    select k.ctid from unnest($2::bigint[], $3::int[]) as u (id, token) cross join lateral (
      select c.ctid from millrace.claimed c
       where c.id = u.id and c.token = u.token and c.worker_id = $1::bigint for update) k))`;
