import type { PoolClient } from "pg";
import { createClient, payload } from "../../src/index.ts";

/** A turn as of one version: a job about an older one has nothing to do any more. */
export interface TurnVersion {
  readonly turn: number;
  readonly version: number;
}

/** Connects to the jobs of a memory, in a schema of their own. */
export function connectJobs(connectionString: string, schema: string) {
  return createClient({
    connectionString,
    schema,
    logger: false,
    jobs: {
      extract: payload<TurnVersion>(),
      embed: payload<{ readonly fact: string }>(),
      categorize: payload<{ readonly fact: string }>(),
      relational_extract: payload<TurnVersion>(),
      synthesize: payload<TurnVersion>(),
      reprocess: payload<{ readonly turn: number; readonly text: string }>(),
    },
  });
}

/** The typed client of a memory's jobs. */
export type JobClient = ReturnType<typeof connectJobs>;

/** Names a turn as the source of its jobs. */
export const sourceOf = (turn: number): string => `turn:${String(turn)}`;

/**
 * Enqueues what makes a turn part of the memory: both extracts, and a synthesis that waits for
 * them. Nothing is enqueued unless the transaction commits.
 */
export async function enqueueTurn(client: JobClient, tx: PoolClient, payload: TurnVersion): Promise<void> {
  const source = sourceOf(payload.turn);
  const extracts = await client.enqueueMany(
    [
      { kind: "extract", payload, source },
      { kind: "relational_extract", payload, source },
    ],
    { tx },
  );
  // Without what it waits for it never can run.
  await client.enqueue("synthesize", payload, { after: extracts, afterFailure: "fail", source, tx });
}

/** Enqueues what makes a fact findable: its vector and its labels. */
export async function enqueueFacts(
  client: JobClient,
  tx: PoolClient,
  { facts, source }: { readonly facts: readonly string[]; readonly source: string | undefined },
): Promise<void> {
  await client.enqueueMany(
    facts.flatMap((fact) => [
      { kind: "embed", payload: { fact }, source },
      { kind: "categorize", payload: { fact }, source },
    ]),
    { tx },
  );
}
