import type { Observable } from "rxjs";
import { mergeMap, of } from "rxjs";
import { describe, expectTypeOf, it } from "vitest";
import { createClient, payload } from "../../src/index.ts";
import { virtualWorker } from "../../src/testing/index.ts";
import type {
  ClusterEvent,
  Dispatch,
  EventOf,
  EventsOptions,
  FailedJob,
  Job,
  JobRef,
  OwnStages,
  PayloadSchema,
  WorkerEvent,
  WorkerHandle,
} from "../../src/index.ts";

/** A schema that takes texts and hands out dates, as zod and others do. */
declare const day: PayloadSchema<{ day: string }, { day: Date }>;

/** What a library makes: more members than millrace asks for. */
interface LibrarySchema {
  readonly parse: (value: unknown) => number;
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => { readonly value: number } | { readonly issues: readonly { readonly message: string }[] };
    readonly types?: { readonly input: string; readonly output: number } | undefined;
  };
}

const jobs = { greet: payload<{ name: string }>(), plan: {} as typeof day };

type Emitted<T> = T extends Observable<infer V> ? V : never;

/** Never called: these are for the compiler. */
function client() {
  return createClient({ connectionString: "postgres://localhost/db", jobs });
}

type Client = ReturnType<typeof client>;

describe("the types of a client", () => {
  it("take a payload by its kind", () => {
    expectTypeOf<Client["enqueue"]>().toBeCallableWith("greet", { name: "Ada" });
    expectTypeOf<Client["enqueue"]>().toBeCallableWith(
      "plan",
      { day: "2026-01-01" },
      { delayMs: 5, after: ["1"] },
    );
    const wrong = (own: Client): unknown => [
      // @ts-expect-error a kind that nobody registered
      own.enqueue("greeet", { name: "Ada" }),
      // @ts-expect-error the payload of another kind
      own.enqueue("greet", { day: "2026-01-01" }),
      // @ts-expect-error what the handler gets is not what is enqueued
      own.enqueue("plan", { day: new Date() }),
      // @ts-expect-error an option that is not there
      own.enqueue("greet", { name: "Ada" }, { delay: 5 }),
      // @ts-expect-error kind and payload of one job do not fit
      own.enqueueMany([{ kind: "plan", payload: { name: "Ada" } }]),
    ];
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf<ReturnType<Client["enqueue"]>>().resolves.toEqualTypeOf<string>();
  });

  it("take a source of payloads, or of anything with a map to payloads", () => {
    interface Row {
      readonly first: string;
      readonly day: number;
    }
    const right = (own: Client, row$: Observable<Row>, rows: AsyncIterable<Row>): unknown => {
      const id$ = row$.pipe(
        own.enqueueEach("greet", {
          map: ({ first }) => ({ name: first }),
          options: (row, index) => ({ source: row.first, priority: index }),
        }),
      );
      expectTypeOf(id$).toEqualTypeOf<Observable<string>>();
      const pulled = own.enqueueEach("plan", { map: (row: Row) => ({ day: String(row.day) }), max: 10 })(
        rows,
      );
      expectTypeOf(pulled).toEqualTypeOf<Observable<string>>();
      return [
        of({ name: "Ada" }).pipe(own.enqueueEach("greet")),
        own.enqueueEach("greet", { options: { delayMs: 5 } })([{ name: "Ada" }]),
      ];
    };
    const wrong = (own: Client, row$: Observable<Row>): unknown => [
      // @ts-expect-error rows are no payloads
      row$.pipe(own.enqueueEach("greet")),
      // @ts-expect-error nor are they here
      own.enqueueEach("greet")([{ first: "Ada" }]),
      // @ts-expect-error the map makes the payload of another kind
      row$.pipe(own.enqueueEach("greet", { map: () => ({ day: "2026-01-01" }) })),
      // @ts-expect-error a kind that nobody registered
      row$.pipe(own.enqueueEach("greeet", { map: () => ({}) })),
      // @ts-expect-error an option of a job that is not there
      row$.pipe(own.enqueueEach("greet", { map: ({ first }) => ({ name: first }), options: { delay: 5 } })),
    ];
    expectTypeOf(right).toBeFunction();
    expectTypeOf(wrong).toBeFunction();
  });

  it("give a handler the payload that its schema makes", () => {
    const right = (own: Client): unknown =>
      own.worker({
        handlers: {
          greet: async (job, { signal, log, complete }) => {
            expectTypeOf(job).toEqualTypeOf<Job<"greet", { name: string }>>();
            expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
            expectTypeOf(log.info).toBeFunction();
            expectTypeOf(complete).returns.resolves.toEqualTypeOf<void>();
          },
          plan: (job) => {
            expectTypeOf(job.payload.day).toEqualTypeOf<Date>();
            return of(1, 2);
          },
        },
      });
    const wrong = (own: Client): unknown => [
      // @ts-expect-error a handler of a kind that nobody registered
      own.worker({ handlers: { greeet: () => undefined } }),
      // @ts-expect-error an option that is not there
      own.worker({ handlers: { greet: () => undefined }, concurency: 5 }),
    ];
    expectTypeOf(right).toBeFunction();
    expectTypeOf(wrong).toBeFunction();
  });

  it("carry the kinds to the events", () => {
    expectTypeOf<ReturnType<Client["worker"]>>().toEqualTypeOf<Observable<WorkerEvent<"greet" | "plan">>>();
    expectTypeOf<ReturnType<Client["spawnWorker"]>>().resolves.toEqualTypeOf<
      WorkerHandle<"greet" | "plan">
    >();
    expectTypeOf<EventOf<"succeeded", "greet" | "plan">["job"]["kind"]>().toEqualTypeOf<"greet" | "plan">();
    expectTypeOf<EventOf<"retry-scheduled">["delayMs"]>().toEqualTypeOf<number>();
    expectTypeOf<Parameters<Client["bulkRetry"]>[0]>().toEqualTypeOf<"greet" | "plan" | undefined>();
  });

  it("tell events apart by their type", () => {
    const tell = (event: WorkerEvent<"greet">): unknown => {
      if (event.type === "succeeded") {
        expectTypeOf(event.job.kind).toEqualTypeOf<"greet">();
        return event.durationMs;
      }
      // @ts-expect-error not every event has a job
      return event.job;
    };
    expectTypeOf(tell).toBeFunction();
  });

  it("narrow the events of all workers to the types that are asked for", () => {
    const narrow = (own: Client, given: EventsOptions<"greet" | "plan">): unknown => {
      type Ears = "listening" | "deaf" | "gap";
      const some$ = own.events({ types: ["succeeded", "failed"] });
      expectTypeOf<Emitted<typeof some$>["type"]>().toEqualTypeOf<"succeeded" | "failed" | Ears>();
      const from$ = own.events({ from: "start", types: ["succeeded"], kinds: ["greet"] });
      expectTypeOf<Emitted<typeof from$>["type"]>().toEqualTypeOf<"succeeded" | Ears>();
      expectTypeOf(own.events()).toEqualTypeOf<Observable<ClusterEvent<"greet" | "plan">>>();
      expectTypeOf(own.events({ source: "7" })).toEqualTypeOf<Observable<ClusterEvent<"greet" | "plan">>>();
      expectTypeOf(own.events(given)).toEqualTypeOf<Observable<ClusterEvent<"greet" | "plan">>>();
      // @ts-expect-error no such type
      return own.events({ types: ["suceeded"] });
    };
    expectTypeOf(narrow).toBeFunction();
  });

  it("take a result for what it is said to be, and otherwise for unknown", () => {
    const results = async (own: Client): Promise<string> => {
      expectTypeOf(own.result("7")).resolves.toBeUnknown();
      expectTypeOf(own.result<{ flour: number }>("7")).resolves.toEqualTypeOf<{ flour: number }>();
      // @ts-expect-error the type of what takes it says nothing about it
      return own.result("7");
    };
    expectTypeOf(results).toBeFunction();
  });

  it("take handlers that return plain values, at once or later", () => {
    const right = (own: Client): unknown => [
      own.worker({ handlers: { greet: () => ({ a: 1 }), plan: () => 42 } }),
      own.worker({ handlers: { greet: () => undefined, plan: () => null } }),
      own.worker({ handlers: { greet: (job) => job.payload.name, plan: async () => true } }),
      own.worker({ handlers: { greet: () => of(1), plan: () => Promise.resolve({ a: 1 }) } }),
    ];
    expectTypeOf(right).toBeFunction();
  });

  it("know the jobs in the stages of a worker", () => {
    const staged = (
      own: Client,
      foreign: { readonly all: OwnStages; readonly dispatch: Dispatch },
    ): unknown => [
      own.worker({
        handlers: {},
        stages: {
          dispatch: (run) => (job$) =>
            job$.pipe(
              mergeMap((job) => {
                expectTypeOf(job.kind).toEqualTypeOf<"greet" | "plan">();
                if (job.kind === "greet") expectTypeOf(job.payload.name).toEqualTypeOf<string>();
                // As it was enqueued: the schema of the kind sees it when the attempt begins.
                else expectTypeOf(job.payload).toEqualTypeOf<{ day: string }>();
                return run(job);
              }),
            ),
          attempt: (value$, job) => {
            if (job.kind === "plan") expectTypeOf(job.payload.day).toEqualTypeOf<Date>();
            // @ts-expect-error the payload of another kind
            return job.kind === "plan" ? job.payload.name : value$;
          },
        },
      }),
      own.worker({ handlers: {}, stages: foreign.all }),
      own.worker({ handlers: {}, stages: { dispatch: foreign.dispatch } }),
      virtualWorker({
        jobs,
        handlers: {},
        stages: {
          attempt: (value$, job) => {
            if (job.kind === "plan") expectTypeOf(job.payload.day).toEqualTypeOf<Date>();
            return value$;
          },
        },
      }),
    ];
    expectTypeOf(staged).toBeFunction();
  });

  it("show no payload in events and failed jobs", () => {
    expectTypeOf<JobRef>().not.toHaveProperty("payload");
    expectTypeOf<FailedJob>().not.toHaveProperty("payload");
  });

  it("take the schema of a library as it is", () => {
    const foreign = (library: LibrarySchema): unknown => {
      const own = createClient({ connectionString: "postgres://localhost/db", jobs: { count: library } });
      expectTypeOf<Parameters<typeof own.enqueue<"count">>[1]>().toEqualTypeOf<string>();
      return own.worker({
        handlers: {
          count: (job) => {
            expectTypeOf(job.payload).toEqualTypeOf<number>();
          },
        },
      });
    };
    expectTypeOf(foreign).toBeFunction();
  });

  it("refuse handlers and jobs of other payloads", () => {
    const wrong = (own: Client): unknown => [
      // @ts-expect-error the payload of another kind
      own.worker({ handlers: { greet: (job: Job<"greet", { day: Date }>) => void job } }),
      // @ts-expect-error no handlers
      own.worker({ concurrency: 5 }),
      // @ts-expect-error ids go beyond 2^53
      own.retryJob(1),
      // @ts-expect-error results of a kind that nobody registered
      createClient({ connectionString: "postgres://localhost/db", jobs, keepResultMs: { greeet: 5 } }),
      // @ts-expect-error a text is no schema
      createClient({ connectionString: "postgres://localhost/db", jobs: { greet: "text" } }),
    ];
    expectTypeOf(wrong).toBeFunction();
  });
});
