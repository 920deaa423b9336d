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

/** What can be measured: `limit` is the bare loop that stands in for the least a library can cost. */
export const SYSTEM_NAMES = ["limit", "millrace", ...PEERS] as const;

/** One of them. */
export type SystemName = (typeof SYSTEM_NAMES)[number];
