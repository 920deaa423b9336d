import { PLPGSQL } from "./plpgsql.ts";

/** Raised and caught by \`take_keys\` alone; a class that Postgres does not use. */
const FREED_MEANWHILE = "MRK01";

/**
 * The functions that give keys to jobs and take them back. The table `keys` holds one row for each key
 * that a job has: an index over several tables does not exist, and here one primary key rules them all.
 * A key stands as long as its job has a row, whatever its state.
 *
 * - `take_keys`: gives each of the jobs `drawn` its key, and answers with the ids of the jobs that have
 *   the keys then, in the same order: other ids where a job of that key was there. Waits for
 *   transactions that are giving or freeing one of the keys. Keys are taken in their order, and
 *   before any job is locked: so two batches do not wait for each other. A key that stood when its turn
 *   came and was freed before the last was taken would be taken out of order: so all are given back,
 *   with the subtransaction that took them, and taken anew.
 * - `finish_jobs`: what is left to do when jobs lost their rows (`gone`) or failed for good: tells
 *   their children, and frees their keys. Answers as `settle_children` does. It frees keys last, and
 *   waits for nothing from then on: who waits for a key may hold jobs for which this would wait.
 */
export const jobKeys = (schema: string): string => `
create function ${schema}.take_keys(all_keys text[], drawn bigint[]) returns bigint[]
${PLPGSQL} $$
declare
  standing bigint[];
begin
  loop
    begin
      insert into ${schema}.keys (key, job_id)
      select u.key, min(u.id) from unnest(all_keys, drawn) as u (key, id)
       where u.key is not null group by u.key order by u.key
      on conflict (key) do nothing;
      -- Where transactions see one snapshot, a key that was freed meanwhile is there twice.
      standing := array(
        select case when u.key is null then u.id
                    else (select max(k.job_id) from ${schema}.keys k where k.key = u.key) end
          from unnest(all_keys, drawn) with ordinality as u (key, id, place) order by u.place);
      exit when array_position(standing, null) is null;
      raise sqlstate '${FREED_MEANWHILE}';
    exception when sqlstate '${FREED_MEANWHILE}' then
    end;
  end loop;
  return standing;
end $$;

create function ${schema}.finish_jobs(gone bigint[], failed bigint[], freed text[]) returns text[]
${PLPGSQL} $$
declare
  ready text[];
begin
  if gone <> '{}' or failed <> '{}' then
    ready := ${schema}.settle_children(gone, failed);
  end if;
  delete from ${schema}.keys k where k.key = any(freed);
  return ready;
end $$;
`;
