import type pg from "pg";
import type { Figures } from "./figures.ts";

/**
 * What stands for things of Postgres and of the library, first on the search path, and notes as whom it
 * runs.
 */
const TRAPS_SQL = `
create schema trap;
create table trap.loot (who text);
grant insert on trap.loot to public;
create function trap.clock_timestamp() returns timestamptz language plpgsql as
  $$ begin insert into trap.loot values (current_user); return pg_catalog.now(); end $$;
create function trap.nextval(text) returns bigint language plpgsql as
  $$ begin insert into trap.loot values (current_user); return -1; end $$;
create function trap.cardinality(text[]) returns int language plpgsql as
  $$ begin insert into trap.loot values (current_user); return 1; end $$;
create function trap.cardinality(bigint[]) returns int language plpgsql as
  $$ begin insert into trap.loot values (current_user); return 1; end $$;
create function trap.unnest(bigint[]) returns setof bigint language plpgsql as
  $$ begin insert into trap.loot values (current_user); end $$;
create function trap.pg_notify(text, text) returns void language plpgsql as
  $$ begin insert into trap.loot values (current_user); end $$;
create function trap.same(bigint, bigint) returns boolean language plpgsql as
  $$ begin insert into trap.loot values (current_user); return true; end $$;
create function trap.others(bigint[], bigint[]) returns boolean language plpgsql as
  $$ begin insert into trap.loot values (current_user); return true; end $$;
create operator trap.= (leftarg = bigint, rightarg = bigint, function = trap.same);
create operator trap.<> (leftarg = bigint[], rightarg = bigint[], function = trap.others);
create temp table keys (key text, job_id bigint);
create temp table pending (id bigint, has_children boolean);
create temp table claimed (id bigint, has_children boolean);
create temp table workers (id bigint, lease_expires_at timestamptz)`;

/** Who attacks, and by which calls. */
export interface Attack {
  readonly pool: pg.Pool;
  /** The role of the pool. */
  readonly name: string;
  readonly calls: readonly string[];
}

/**
 * Calls functions with the traps first on the path, in one transaction. Counts the functions of the
 * library that ran, which needs `track_functions = 'all'`, the traps that ran, and those of them that
 * ran with other rights than the attacker's.
 */
export async function attackBySearchPath({ pool, name, calls }: Attack): Promise<Figures> {
  const client = await pool.connect();
  try {
    await client.query("drop schema if exists trap cascade; discard temp");
    await client.query(TRAPS_SQL);
    await client.query("begin isolation level read committed");
    await client.query("set local search_path = pg_temp, trap, pg_catalog");
    for (const call of calls) await client.query(call);
    await client.query("set local search_path = pg_catalog");
    const { rows } = await client.query<Record<string, number>>(
      `select (select count(*) from pg_stat_xact_user_functions f where f.schemaname = 'millrace')::int as functions,
              (select count(*) from trap.loot)::int as trapped,
              (select count(*) from trap.loot where who <> $1)::int as "ranAsOwner"`,
      [name],
    );
    await client.query("commit");
    return rows[0] ?? {};
  } finally {
    client.release(true);
  }
}
