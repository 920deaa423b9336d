import { quoteIdentifier } from "./identifier.ts";

/** The kinds of roles that rights are told for. */
export type RoleKind = "enqueue" | "worker" | "admin";

/** Every kind of role, the smallest first. */
export const ROLE_KINDS: readonly RoleKind[] = ["enqueue", "worker", "admin"];

/** The roles that are named where nobody names any. */
export const DEFAULT_ROLES: Readonly<Record<RoleKind, string>> = {
  enqueue: "millrace_enqueue",
  worker: "millrace_worker",
  admin: "millrace_admin",
};

/** Rights, and what they are on: both in the words of GRANT. `%` stands for the schema. */
type Grant = readonly [rights: string, on: string];

/**
 * What each kind of role may do, and no more. `test/postgres/grants.test.ts` holds each to its calls.
 *
 * - A row that is locked (`for update`) needs the right to change it, of one column at least.
 * - `enqueue` and `enqueue_jobs` run with the rights of their owner, because a job that waits for others
 *   or has a key has to lock and look at what its caller may not see.
 * - The functions that move jobs for workers and operators run with the rights of their caller.
 * - A worker may delete failed jobs, for one with `keepFailedMs` does, but reads no more of them than that takes.
 */
const GRANTS: Readonly<Record<RoleKind, readonly Grant[]>> = {
  enqueue: [
    ["usage", "schema %"],
    ["insert", "%.pending, %.scheduled"],
    ["usage", "sequence %.job_ids"],
    ["execute", "function %.enqueue, %.enqueue_jobs"],
  ],
  worker: [
    ["usage", "schema %"],
    ["select", "%.migrations"],
    ["select (id, state, cancelled, reason)", "%.jobs"],
    ["select, insert, update, delete", "%.pending, %.scheduled, %.claimed, %.workers"],
    ["select, insert", "%.since_crash"],
    ["select, update, delete", "%.waiting"],
    ["select, delete", "%.dependencies, %.keys"],
    ["insert, select (ctid, expires_at, position, key), update (expires_at), delete", "%.completed"],
    ["select (last, expired), update (last, expired)", "%.completed_log"],
    ["insert, select (id, failed_at, has_children, key), update (has_children), delete", "%.failed"],
    ["select (ctid, filters, expires_at), update (expires_at), delete", "%.subscribers"],
  ],
  admin: [
    ["usage", "schema %"],
    ["select", "%.migrations, %.workers"],
    [
      "select (id, kind, queue, source, key, state, created_at, run_at, attempt, max_attempts, crashes,\n" +
        "              priority, claimed_by, claimed_at, started, progress, errors, reason, cancelled,\n" +
        "              ended_at, expires_at, result)",
      "%.jobs",
    ],
    ["select, insert, update, delete", "%.pending, %.scheduled, %.failed, %.subscribers"],
    ["select, update, delete", "%.waiting"],
    ["select, delete", "%.dependencies, %.keys"],
    [
      "select (id, token, worker_id, queue, cancel_reason), update (cancel_reason, has_children)",
      "%.claimed",
    ],
    [
      "select (id, kind, queue, source, attempt, max_attempts, worker_id, worker_label, claimed_at,\n" +
        "              completed_at, position), update (position)",
      "%.completed",
    ],
    ["select, update (last)", "%.completed_log"],
  ],
};

/**
 * The SQL that gives roles their rights in a schema. It may be run again, and has to be after a
 * migration that brings new tables.
 *
 * @param roles The role of each kind; kinds without one are left out.
 */
export function grantsSql(schema: string, roles: Readonly<Partial<Record<RoleKind, string>>>): string {
  const quoted = quoteIdentifier(schema);
  const parts = ROLE_KINDS.flatMap((kind) => {
    const role = roles[kind];
    if (role === undefined) return [];
    const to = quoteIdentifier(role);
    const lines = GRANTS[kind].map(
      ([rights, on]) => `grant ${rights} on ${on.replaceAll("%", () => quoted)} to ${to};`,
    );
    return [`-- ${kind}\n${lines.join("\n")}\n`];
  });
  return parts.join("\n");
}
