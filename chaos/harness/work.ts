import { payload } from "../../src/index.ts";
import type { PayloadSchema } from "../../src/index.ts";
import type { Random } from "./random.ts";

/** What a handler does after it has noted its run, and after `ms` milliseconds, whatever its signal says. */
export type Deed =
  /** Returns: the library writes the outcome. */
  | "return"
  /** Writes its effect and completes the job in one transaction. */
  | "transaction"
  /** The same with the fence off: deletes the claim by the job's id alone, as many queues do. */
  | "unfenced"
  /** Writes its token as progress and then its outcome, both by the job's id alone, and tells of a success. */
  | "unfenced-return"
  /** Emits its token as progress every 100 ms meanwhile, then returns. */
  | "progress"
  /** Fails in its first attempt, then returns. */
  | "fail-once"
  /** Never ends. */
  | "hang"
  /** Ends when its signal fires. */
  | "obey"
  /** Blocks the event loop for the whole time in its first run, then returns. */
  | "block-once"
  /** Holds a connection of the app's pool for the whole time, then returns. */
  | "hold"
  /** Ends its process, as running out of memory does. */
  | "abort-process";

/** A job of the board. */
export interface Work {
  readonly deed: Deed;
  /** How long it takes, in milliseconds. Default 0: it does not even wait for the next turn. */
  readonly ms?: number;
  /** What no line of a worker may show. */
  readonly mark?: string;
}

export const jobs: { readonly work: PayloadSchema<Work> } = { work: payload<Work>() };

/** Work of which one job in five completes in a transaction; each takes up to `ms` milliseconds. */
export function mixedWork({ next, integer }: Random, ms: number): Work {
  return { deed: next() < 0.2 ? "transaction" : "return", ms: integer(0, ms) };
}
