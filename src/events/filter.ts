import { checkOptions, listOf, rule } from "../core/check.ts";
import type { Rule } from "../core/check.ts";
import { OptionError, expected } from "../core/errors.ts";
import type { JobRef, WorkerEvent } from "../core/events.ts";
import { MAX_NAME_LENGTH, isName } from "../core/schema.ts";
import { LEVELS } from "../log.ts";
import type { EventFilter, EventsOptions } from "./cluster-event.ts";

/** The most filters that a subscribing process tells workers; above, it asks for all of some types. */
const MAX_FILTERS = 16;

/** Tells whether there are events of this type. */
export function isEventType(type: unknown): type is WorkerEvent["type"] {
  return typeof type === "string" && Object.hasOwn(LEVELS, type);
}

const NAME = `1 to ${MAX_NAME_LENGTH} characters without NUL or lone surrogates`;

/** What Postgres cannot keep would make all subscribers of the process deaf: their filters are told together. */
const NAMES = listOf(`names of ${NAME}`, isName);

const RULES: Readonly<Record<keyof EventFilter, Rule>> = {
  types: listOf("types of events of workers", isEventType),
  kinds: NAMES,
  queues: NAMES,
  source: rule(`a text of ${NAME}`, isName),
};

const FROM = rule('"start", "now" or the `cursor` of an event', (value) => typeof value === "string");

/**
 * Checks what `client.events` is given; `readFrom` knows more of `from`.
 *
 * @throws OptionError naming the member, its rule and what came.
 */
export function checkEventsOptions(options: unknown): asserts options is EventsOptions {
  checkOptions("options of events", options, { ...RULES, from: FROM });
  const { from, types } = options as EventsOptions;
  if (from !== undefined && types !== undefined && !types.includes("succeeded")) {
    const is = 'left out, or to have "succeeded" among them, where `from` is given';
    throw new OptionError(expected("types", is, types));
  }
}

/** Reads a filter that another process wrote; what this version does not know of it, it ignores. */
export function readFilter(value: unknown): EventFilter {
  if (typeof value !== "object" || value === null) return {};
  const known = Object.entries(value).filter(
    ([name, member]) => Object.hasOwn(RULES, name) && RULES[name as keyof EventFilter].holds(member),
  );
  return Object.fromEntries(known);
}

/** Tells whether an event is wanted. */
export function matches(filter: EventFilter, event: WorkerEvent): boolean {
  const { types, kinds, queues, source } = filter;
  if (types !== undefined && !types.includes(event.type)) return false;
  if (kinds === undefined && queues === undefined && source === undefined) return true;
  if ("job" in event) return fits(filter, event.job);
  if (event.type === "lease-recovered") return event.jobs.some((job) => fits(filter, job));
  if (event.type === "drain-timed-out") return event.interrupted.some((job) => fits(filter, job));
  return (
    "queue" in event && kinds === undefined && source === undefined && queues?.includes(event.queue) === true
  );
}

function fits({ kinds, queues, source }: EventFilter, job: JobRef): boolean {
  return (
    (kinds === undefined || kinds.includes(job.kind)) &&
    (queues === undefined || queues.includes(job.queue)) &&
    (source === undefined || source === job.source)
  );
}

/**
 * What a process with these subscribers asks workers for: their filters, each once; where they are
 * many, all events of the types that any of them wants, so that workers need not try them all.
 */
export function wanted(filters: Iterable<EventFilter>): readonly EventFilter[] {
  const each = new Map<string, EventFilter>();
  for (const filter of filters) each.set(keyOf(filter), filter);
  if (each.size <= MAX_FILTERS) return [...each.values()];
  const all = [...each.values()];
  const types = all.flatMap((filter) => filter.types ?? []);
  return all.every((filter) => filter.types !== undefined) ? [{ types: [...new Set(types)] }] : [{}];
}

/** The same text for filters that want the same. */
export function keyOf({ types, kinds, queues, source }: EventFilter): string {
  return JSON.stringify([types ?? null, kinds ?? null, queues ?? null, source ?? null]);
}
