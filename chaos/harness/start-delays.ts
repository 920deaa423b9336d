import type { ChaosDatabase } from "./database.ts";
import type { Figures } from "./figures.ts";

/**
 * The longest and the median time from when a job was enqueued to its first run, of those that were
 * enqueued after a moment, in milliseconds since 1970.
 */
export async function startDelays({ pool, ledger }: ChaosDatabase, after = 0): Promise<Figures> {
  await ledger.read();
  const { rows } = await pool.query<Record<string, number>>(
    `
    with delay as (
      select (select min(date_part('epoch', r.at)) from chaos.runs r where r.job = e.job)
             - date_part('epoch', e.at) as s
        from chaos.enqueued e where e.at > to_timestamp($1::float8 / 1000)
    )
    select coalesce(max(s), 'infinity') * 1000 as "slowestStartMs",
           coalesce(percentile_cont(0.5) within group (order by s), 'infinity') * 1000 as "medianStartMs"
      from delay`,
    [after],
  );
  return rows[0] ?? {};
}
