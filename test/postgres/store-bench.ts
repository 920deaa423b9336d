import { bench } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { postgresSetup } from "../contract/postgres-subject.ts";
import type { TestDatabase } from "../support/postgres.ts";

/** A store over the test's database with the shorthands of the contract suite. */
export async function openBench(database: TestDatabase): Promise<Bench> {
  return bench(await postgresSetup(database)({}));
}

/** Waits until some connection to this database waits for a lock. */
export const SOMEBODY_WAITS = `
  select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

/** Counts of what is left of jobs, in one look. */
export const LEFT = `
  select (select count(*)::int from millrace.pending) as pending,
         (select count(*)::int from millrace.scheduled) as scheduled,
         (select count(*)::int from millrace.waiting) as waiting,
         (select count(*)::int from millrace.claimed) as claimed,
         (select count(*)::int from millrace.failed) as failed,
         (select count(*)::int from millrace.dependencies) as dependencies`;

/** The answer of `LEFT` where nothing is left. */
export const NOTHING = { pending: 0, scheduled: 0, waiting: 0, claimed: 0, failed: 0, dependencies: 0 };
