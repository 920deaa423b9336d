import type { ChaosDatabase } from "../harness/database.ts";
import type { Figures } from "../harness/figures.ts";

const VICTIMS = 10;

/** What careless statements may hit. */
export const VICTIMS_SQL: string = `create table public.victims (name text);
insert into public.victims select 'victim ' || n from generate_series(1, ${VICTIMS}) n`;

/** How many are gone. */
export async function victims({ pool }: ChaosDatabase): Promise<Figures> {
  const { rows } = await pool.query<{ count: number }>("select count(*)::int as count from public.victims");
  return { victimsLost: VICTIMS - (rows[0]?.count ?? 0) };
}

/** What careless code would make of them; taken back each time. */
export async function careless({ pool }: ChaosDatabase, names: readonly string[]): Promise<Figures> {
  const client = await pool.connect();
  let errors = 0;
  let victimsLost = 0;
  for (const name of names.filter((text) => !text.includes("\0"))) {
    await client.query("begin");
    try {
      await client.query(`insert into public.victims values ('${name}')`);
      const { rows } = await client.query<{ name: string | null }>(
        "select to_regclass('public.victims')::text as name",
      );
      const left =
        rows[0]?.name === null
          ? []
          : (await client.query("select from public.victims where name like 'victim %'")).rows;
      if (left.length < VICTIMS) victimsLost += 1;
    } catch {
      errors += 1;
    }
    await client.query("rollback");
  }
  client.release();
  return { errors, victimsLost };
}
