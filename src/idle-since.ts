import { performance } from "node:perf_hooks";

/** With less of the time in use, the event loop has little else to do. */
const IDLE = 0.5;

/** Begins to measure the event loop; the answer tells whether it waited for most of the time since. */
export function idleSince(): () => boolean {
  const from = performance.eventLoopUtilization();
  return () => performance.eventLoopUtilization(from).utilization < IDLE;
}
