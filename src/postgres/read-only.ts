import type pg from "pg";

/** SQLSTATE of a write on a standby, or on a server that was made read-only. */
const READ_ONLY_STATE = "25006";

/** Tells whether a server refused a write because it takes reads only, as the old one after a failover. */
export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && Reflect.get(error, "code") === READ_ONLY_STATE;
}

/**
 * Tells whether a parameter that a server reports when somebody connects says that it takes reads only:
 * `in_hot_standby` or `default_transaction_read_only`.
 */
export function tellsReadOnly(name: unknown, value: unknown): boolean {
  return value === "on" && /standby|read_only/.test(String(name));
}

/**
 * Throws away the connections that wait in a pool: they may lead to a server that takes reads only,
 * where each would stay until somebody wrote through it.
 */
export function discardIdle(pool: pg.Pool): void {
  for (let left = pool.idleCount; left > 0; left -= 1) {
    pool.connect().then(
      (client) => client.release(true),
      () => undefined,
    );
  }
}
