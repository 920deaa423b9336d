import type { WorkerEvent } from "../core/events.ts";
import type { EventFilter, WorkerRef } from "./cluster-event.ts";
import { encode } from "./codec.ts";
import { matches } from "./filter.ts";
import { outbound } from "./outbound.ts";

/** Events that wait to be published. */
export interface Outbox {
  /** Takes an event if anybody wants it, or that is not known; drops the oldest beyond the limit. */
  readonly put: (event: WorkerEvent) => void;
  /**
   * Keeps all that comes until it is known who listens, and asks for a text even if there is no event
   * then, so that new subscribers know the numbers.
   */
  readonly hold: () => void;
  /** Says what is wanted, also of what was held; `undefined`: that could not be found out. */
  readonly want: (filters: readonly EventFilter[] | undefined) => void;
  /** Whether there is something to publish. */
  readonly isReady: () => boolean;
  /** Takes all of it. */
  readonly take: () => Batch;
  /** Puts back what could not be published, before what came since. */
  readonly putBack: (batch: Batch) => void;
}

/** What is published at once. */
export interface Batch {
  readonly texts: readonly string[];
  readonly entries: readonly Entry[];
  readonly first: number;
}

interface Entry {
  /** The worker's id when it happened; `undefined` before it had one. */
  readonly workerId: string | undefined;
  readonly event: WorkerEvent;
}

/**
 * Makes an outbox. Its events are numbered in one row from 1; what is dropped keeps its number, so
 * that whoever reads the rest sees how many are missing. What turns out to be wanted by nobody never
 * had one.
 */
export function createOutbox({
  stream,
  label,
  limit,
}: {
  stream: string;
  label: string;
  limit: number;
}): Outbox {
  let filters: readonly EventFilter[] | undefined;
  /** How many entries are wanted for sure; those after them are held. */
  let sure: number | undefined = 0;
  let entries: Entry[] = [];
  /** The number of the first of them. */
  let first = 1;
  let workerId: string | undefined;
  let greets = false;

  const isWanted = (event: WorkerEvent): boolean =>
    sure !== undefined || (filters?.some((filter) => matches(filter, event)) ?? false);
  const trim = (): void => {
    // In steps, for it moves all that stays.
    if (entries.length < limit * 1.25) return;
    const dropped = entries.length - limit;
    first += dropped;
    entries = entries.slice(dropped);
    if (sure !== undefined) sure = Math.max(0, sure - dropped);
  };
  const textsOf = (batch: readonly Entry[], from: number): readonly string[] => {
    const texts: string[] = [];
    let number = from;
    for (const part of byWorker(batch, workerId ?? "")) {
      texts.push(...encode({ stream, worker: refOf(part.workerId), first: number, events: part.events }));
      number += part.events.length;
    }
    return texts.length > 0
      ? texts
      : encode({ stream, worker: refOf(workerId ?? ""), first: from, events: [] });
  };
  const refOf = (id: string): WorkerRef => ({ id, label });

  return {
    put: (event) => {
      if (event.type === "started") workerId = event.workerId;
      if (!isWanted(event)) return;
      for (const one of outbound(event)) entries.push({ workerId, event: one });
      trim();
    },
    hold: () => {
      greets = true;
      sure ??= entries.length;
    },
    want: (now) => {
      filters = now ?? filters;
      if (filters === undefined) return;
      const held = entries.splice(sure ?? entries.length);
      sure = undefined;
      if (filters.length === 0) first += entries.splice(0).length;
      entries.push(...held.filter(({ event }) => isWanted(event)));
    },
    isReady: () =>
      sure === undefined && filters !== undefined && filters.length > 0 && (greets || entries.length > 0),
    take: () => {
      const batch = { texts: textsOf(entries, first), entries, first };
      first += entries.length;
      entries = [];
      greets = false;
      return batch;
    },
    putBack: (batch) => {
      entries = [...batch.entries, ...entries];
      first = batch.first;
      if (sure !== undefined) sure += batch.entries.length;
      greets = true;
      trim();
    },
  };
}

/** Neighbours of one worker id together; those from before the first id with that of the first. */
function byWorker(
  entries: readonly Entry[],
  workerId: string,
): readonly { readonly workerId: string; readonly events: readonly WorkerEvent[] }[] {
  const parts: { workerId: string; events: WorkerEvent[] }[] = [];
  const firstId = entries.find((entry) => entry.workerId !== undefined)?.workerId ?? workerId;
  for (const entry of entries) {
    const id = entry.workerId ?? firstId;
    const last = parts.at(-1);
    if (last?.workerId === id) last.events.push(entry.event);
    else parts.push({ workerId: id, events: [entry.event] });
  }
  return parts;
}
