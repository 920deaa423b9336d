import type { WorkerEvent } from "./events.ts";
import type { CancelOrder } from "./store-calls.ts";

/** A hint that work may wait. Losing one costs latency, never a job. */
export interface WakeUp {
  /** Tells it from events. */
  readonly type: "wake-up";
  /** The queues in which it may wait; `undefined` for all. */
  readonly queues: readonly string[] | undefined;
}

/** A hint that some scheduled job becomes due. */
export interface DueHint {
  /** Tells it from events. */
  readonly type: "due-hint";
  /** Milliseconds from now. */
  readonly dueInMs: number;
}

/** Orders to end attempts of jobs that were cancelled. */
export interface CancelOrders {
  /** Tells it from events. */
  readonly type: "cancel-orders";
  /** The claims, why, and the worker that holds each. */
  readonly orders: readonly (CancelOrder & { readonly workerId: string })[];
}

/** What the sources of wake-ups emit: hints, and what there is to report. */
export type Arrival = WakeUp | WorkerEvent;

/** A wake-up for some queues, or for all of them. */
export function wakeUp(queues?: readonly string[]): WakeUp {
  return { type: "wake-up", queues };
}

/** Tells wake-ups for a queue from everything else. */
export function wakes(queue: string): (arrival: Arrival) => arrival is WakeUp {
  return (arrival): arrival is WakeUp =>
    arrival.type === "wake-up" && (arrival.queues === undefined || arrival.queues.includes(queue));
}

/** Tells what is to be reported from wake-ups. */
export function isReport(arrival: Arrival): arrival is WorkerEvent {
  return arrival.type !== "wake-up";
}
