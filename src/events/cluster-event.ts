import type { ErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";

/** The worker that an event comes from. */
export interface WorkerRef {
  /** Its id in the database; a worker that lost its lease goes on under a new one. */
  readonly id: string;
  /** What it is called, as in its `label` option. */
  readonly label: string;
}

/**
 * What is told of the workers of a schema, wherever they run: their events, and how well they are
 * heard.
 *
 * Of an event, results are left out, stacks of errors too, and progress values above 1,000 bytes of
 * JSON. Smaller ones are told, also the last, which is what the handler results in. Texts of errors and reasons are cut at 500 characters, times rounded to 0.01 ms.
 */
export type ClusterEvent<Kind extends string = string> =
  | (WorkerEvent<Kind> & {
      readonly worker: WorkerRef;
      /**
       * Where to go on after this event (`from` of `client.events`): on `succeeded` of jobs whose
       * result is kept, in a stream that was given `from`. A text of some fifty characters.
       */
      readonly cursor?: string;
    })
  /** Events are heard from now on, for the first time or again. */
  | { readonly type: "listening" }
  /** Nothing is heard until `listening`. Told once, however many attempts to connect fail. */
  | { readonly type: "deaf"; readonly error: ErrorRecord }
  /** Something is missing here. Nothing tells what it was: look at the jobs where it matters. */
  | {
      readonly type: "gap";
      /** Nothing was heard for so long, in milliseconds from the moment when that was noticed. */
      readonly durationMs?: number;
      /** So many events did not arrive, of those that anybody wants. */
      readonly missed?: number;
      /** The worker that they came from, where one is known. */
      readonly worker?: WorkerRef;
    };

/** What is told where events of some types are wanted: these, and how well they are heard. */
export type ClusterEventOf<Type extends WorkerEvent["type"], Kind extends string = string> = Extract<
  ClusterEvent<Kind>,
  { readonly type: Type | "listening" | "deaf" | "gap" }
>;

/** Which events are wanted: those that match every member that is given. */
export interface EventFilter<
  Kind extends string = string,
  Type extends WorkerEvent["type"] = WorkerEvent["type"],
> {
  /** Events of these types. */
  readonly types?: readonly Type[] | undefined;
  /** Events of jobs of these kinds. Events of no job are left out. */
  readonly kinds?: readonly Kind[] | undefined;
  /** Events of jobs in these queues, and of these queues themselves. */
  readonly queues?: readonly string[] | undefined;
  /** Events of jobs about this record. */
  readonly source?: string | undefined;
}

/** What `client.events` is asked for. */
export interface EventsOptions<
  Kind extends string = string,
  Type extends WorkerEvent["type"] = WorkerEvent["type"],
> extends EventFilter<Kind, Type> {
  /**
   * Where to begin among the jobs that succeeded and keep their result (`keepResultMs`): after the
   * event that this `cursor` came with, at the first that is still kept (`"start"`), or with the next
   * (`"now"`). Each of their `succeeded` events then comes once, in one order for all readers, and has a
   * cursor. Default: what is heard live, without cursors.
   */
  readonly from?: string | undefined;
}

/** Whether a worker publishes its events: while somebody listens, whether or not, or not at all. */
export type PublishMode = "auto" | "always" | "never";
