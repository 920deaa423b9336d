import type { SystemName } from "./names.ts";
import type { System, Target } from "./system.ts";

/**
 * Every system by its name. Each is loaded when it is asked for: what other libraries bring along would
 * change how its process is compiled and collected.
 */
export const SYSTEMS: Readonly<Record<SystemName, (target: Target) => Promise<System>>> = {
  limit: async (target) => (await import("./limit.ts")).limit(target),
  timers: async () => (await import("./timers.ts")).timers(),
  millrace: async (target) => (await import("./millrace.ts")).millrace(target),
  "millrace-sync": async (target) => (await import("./millrace.ts")).millraceSync(target),
  "graphile-worker": async (target) => (await import("./graphile-worker.ts")).graphileWorker(target),
  "graphile-worker-plain": async (target) =>
    (await import("./graphile-worker.ts")).graphileWorkerPlain(target),
  "pg-boss": async (target) => (await import("./pg-boss.ts")).pgBoss(target),
  "bullmq-redis": async (target) => (await import("./bullmq.ts")).bullmqRedis(target),
  "bullmq-postgres": async (target) => (await import("./bullmq.ts")).bullmqPostgres(target),
};
