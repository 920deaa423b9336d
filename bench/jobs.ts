import { payload } from "../src/index.ts";

/** The kinds that the benchmarks use. */
export const jobs = { noop: payload<{ sentAt: number }>() };
