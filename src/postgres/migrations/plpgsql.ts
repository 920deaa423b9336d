/**
 * How functions that look jobs up by their ids are declared.
 *
 * A session plans each statement of a function once, for tables that are empty in most installations:
 * so reading them from end to end is ruled out.
 */
export const PLPGSQL = `language plpgsql volatile
  set search_path = pg_catalog, pg_temp set enable_seqscan = off as`;
