/** The libraries beside which millrace is measured, by the names that `--peers` takes. */
export const PEERS = [
  "graphile-worker",
  "graphile-worker-plain",
  "pg-boss",
  "bullmq-redis",
  "bullmq-postgres",
] as const;

/** Those of them in the one configuration that is best for throughput. */
export const BEST_PEERS = PEERS.filter((name) => name !== "graphile-worker-plain");

/**
 * The others: `limit` is the bare loop that stands in for the least a library can cost, `timers` that
 * for jobs that wait.
 */
export const OWN = ["limit", "timers", "millrace", "millrace-sync"] as const;

/** What can be measured. */
export const SYSTEM_NAMES = [...OWN, ...PEERS] as const;

/** One of them. */
export type SystemName = (typeof SYSTEM_NAMES)[number];
